"""The agent with the rights that its units leave it, on the real services: what they take away must not be needed."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.testing.appliance import short_directory
from support.appliances.deployed import Deployed
from support.appliances.ikev2 import IKEv2Appliance
from support.appliances.mailed import Mailed
from support.appliances.proxied import INCLUDED, Proxied
from support.paths import CHECKOUT

pytestmark = pytest.mark.root
UNITS = CHECKOUT / "packaging/systemd"
AGENT, BOOT = "chainwright.service", "chainwright-boot.service"


def limited(unit: str, *argv: str | Path, without: str = "") -> list[str]:
    """Return a command that runs another one with a unit's capabilities, but `without`, and its other limits."""
    text = (UNITS / unit).read_text()
    (names,) = re.findall(r"^CapabilityBoundingSet=(.*)$", text, re.MULTILINE)
    kept = [f"+{name.removeprefix('CAP_').lower()}" for name in names.split() if name != without]
    privileges = ["--no-new-privs"] if "\nNoNewPrivileges=yes\n" in text else []
    return [
        *("setpriv", f"--bounding-set=-all,{','.join(kept)}", *privileges, "--"),
        *("prlimit", "--core=0", "--", *map(str, argv)),
    ]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, umask=0o077)


def agent(box: Deployed, unit: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the agent as the unit does."""
    return run(limited(unit, sys.executable, "-P", "-m", "agent", "--root", box.root, *arguments))


def findings(box: Deployed) -> list[str]:
    """Return what is not well."""
    told = json.loads(agent(box, AGENT, "status", "--json").stdout)
    return [each["problem"]["cause"] for each in told["findings"] if each["severity"] != "notice"]


@contextmanager
def deployed(kind: type[Deployed], **options: object) -> Iterator[Deployed]:
    with kind.make(**options) as box:
        for name in ("var/lib", "var/log", "var/spool", "run"):  # as every system has them
            (box.root / name).mkdir(parents=True, exist_ok=True)
        box.configure()
        yield box


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("kind", "options"),
    [(Proxied, {}), (Proxied, {"service": dict(INCLUDED)}), (Mailed, {})],
    ids=["nginx", "an administrator's nginx", "postfix and dovecot"],
)
def test_services_are_given_their_files_at_boot_and_their_new_chains_later(kind, options):
    with deployed(kind, **options) as box:
        if kind is Proxied and not box.own:
            box.write_main_file()
        assert agent(box, BOOT, "boot").returncode == 0
        box.start_service()
        done = agent(box, AGENT, "apply")
        assert (done.returncode, findings(box)) == (0, []), done.stdout + done.stderr
        before = box.chains()
        done = agent(box, AGENT, "root", "reissue", "--now", "--yes-reissue-root")
        assert (done.returncode, findings(box)) == (0, []), done.stdout + done.stderr
        box.assert_live()
        assert not set(before.values()) & set(box.chains().values())


def test_charon_is_given_its_files_and_new_chains():
    with deployed(IKEv2Appliance, service={"start": False}) as box:
        assert agent(box, BOOT, "boot").returncode == 0
        box.start_charon()
        done = agent(box, AGENT, "apply")
        assert (done.returncode, findings(box)) == (0, []), done.stdout + done.stderr
        done = agent(box, AGENT, "root", "reissue", "--now", "--yes-reissue-root")
        assert (done.returncode, findings(box)) == (0, []), done.stdout + done.stderr
        assert set(box.chains().values()) == box.leaves_with_keys()


SITES_ON_THE_USUAL_PORTS = """sources = ["local"]
hostname = "gw"
[services.nginx]
main = "own"
manager = "commands"
[[modules.reverse_proxy.sites]]
domains = ["a.example.test"]
upstream = "http://127.0.0.1:9"
"""


@pytest.mark.parametrize(("without", "outcome"), [("", "waiting"), ("CAP_NET_BIND_SERVICE", "refused")])
def test_at_boot_nginx_takes_the_usual_ports(without, outcome):
    with short_directory() as root:
        (root / "etc/chainwright").mkdir(parents=True)
        (root / "etc/chainwright/chainwright.toml").write_text(SITES_ON_THE_USUAL_PORTS)
        program = (sys.executable, "-P", "-m", "agent", "--root", root)
        done = run(["unshare", "--net", "--", *limited(BOOT, *program, "boot", without=without)])
        told = json.loads(run(limited(AGENT, *program, "status", "--json")).stdout)
        assert [each["state"] for each in told["modules"]] == [outcome], done.stdout + done.stderr


WHO_LISTENS = """
import sys
from agent.system.listeners import listeners, processes_of
print(*processes_of([inode for *_, inode in listeners([int(sys.argv[1])])]))
"""
SIGNALLED = """
import sys
from pathlib import Path
from agent.system.command import Signal, SystemRunner
print(SystemRunner().run(Signal(Path(sys.argv[1]), name="TERM")))
"""


@pytest.fixture
def somebody_s_server() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The port of a server of another user, and its process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        argv = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "sleep", "120"]
        with subprocess.Popen(argv, pass_fds=[listener.fileno()]) as process:
            port = listener.getsockname()[1]
            listener.close()
            yield port, process
            process.kill()


def test_it_is_seen_whose_process_has_a_port(somebody_s_server):
    port, process = somebody_s_server
    program = (sys.executable, "-P", "-c", WHO_LISTENS, str(port))
    assert run(limited(AGENT, *program)).stdout.split() == [str(process.pid)]
    assert run(limited(AGENT, *program, without="CAP_SYS_PTRACE")).stdout.split() == []


def test_a_process_of_another_user_is_signalled(somebody_s_server, tmp_path):
    _, process = somebody_s_server
    (tmp_path / "pid").write_text(f"{process.pid}\n")
    program = (sys.executable, "-P", "-c", SIGNALLED, tmp_path / "pid")
    assert "not permitted" in run(limited(AGENT, *program, without="CAP_KILL")).stdout
    run(limited(AGENT, *program))
    assert process.wait(20) == -15
