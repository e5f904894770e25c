"""The web interface on a machine without systemd: started by the agent, as the user who may read its files."""

import os
import pwd
import signal
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from agent.demo.processes import end_all
from agent.system.layout import Layout
from agent.system.processes import process_of
from plugins.webui.pid_file import PID_FILE
from plugins.webui.start_process import as_user, user_of
from support.appliances.deployed import served
from support.clients.terminal import Terminal
from support.ports import free_port

SETTINGS = """\
hostname = "gw"
addresses = ["127.0.0.1"]
sources = ["local"]
[services.webui]
manager = "commands"
start = true
[modules.webui]
listen = "127.0.0.1:{port}"
run_as = "{user}"
"""


@pytest.fixture
def layout():
    with TemporaryDirectory(prefix="cw-") as directory:
        layout = Layout(Path(directory))
        layout.etc.mkdir(parents=True)
        (layout.root / "run").mkdir()
        yield layout
        end_all(layout)


def settings(layout: Layout, **changed: object) -> int:
    values = {"port": free_port(), "user": pwd.getpwuid(os.geteuid()).pw_name, **changed}
    layout.settings.write_text(SETTINGS.format(**values))
    return values["port"]


def test_the_agent_starts_it_and_starts_it_again_after_it_was_killed(layout):
    port, terminal, pid_file = settings(layout), Terminal(layout.root), layout.rooted(PID_FILE)
    done = terminal.run("apply")
    assert done.returncode == 0, done.stderr
    leaf, first = served(port), process_of(pid_file, layout.root)
    os.kill(first, signal.SIGKILL)
    assert terminal.run("apply").returncode == 0
    assert served(port) == leaf
    assert process_of(pid_file, layout.root) not in {None, first}


def test_why_it_does_not_come_up_is_said_in_its_own_words(layout):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        settings(layout, port=other.getsockname()[1])
        done = Terminal(layout.root).run("apply")
    assert done.returncode == 3
    assert "Address already in use" in Terminal(layout.root).run("status").stdout


def test_it_is_started_as_the_user_of_its_files_group(tmp_path):
    nobody = pwd.getpwnam("nobody")
    assert as_user(None, ["web"], privileged=True) == ["web"]
    first, *rest = as_user(nobody, ["web"], privileged=False)
    ids = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--init-groups", "--no-new-privs"]
    assert (Path(first).name, rest) == ("setpriv", [*ids, "--inh-caps=-all", "--", "web"])
    binds = ["--inh-caps=-all,+net_bind_service", "--ambient-caps=-all,+net_bind_service", "--", "web"]
    assert as_user(nobody, ["web"], privileged=True)[5:] == binds


@pytest.mark.root
@pytest.mark.parametrize(("privileged", "binds"), [(True, "0"), (False, "errno 13")])
def test_it_may_bind_ports_below_1024_where_it_has_to_and_nothing_else(tmp_path, privileged, binds):
    nobody = pwd.getpwnam("nobody")
    script = (
        "id -u; grep CapAmb /proc/self/status | cut -f2; perl -e 'use Socket; socket(S, PF_INET, SOCK_STREAM, 0); "
        'print bind(S, sockaddr_in(1, INADDR_LOOPBACK)) ? 0 : "errno " . ($! + 0)\''
    )
    argv = as_user(nobody, ["sh", "-c", script], privileged=privileged)
    uid, ambient, bound = subprocess.run(argv, capture_output=True, text=True, check=True, cwd="/").stdout.splitlines()
    assert uid == str(nobody.pw_uid)
    assert int(ambient, 16) == (1 << 10 if privileged else 0)
    assert (
        bound in {binds, "errno 98"} if privileged else bound in {binds, "0"}
    )  # in some containers no port is privileged


@pytest.mark.root
def test_files_of_root_s_group_are_served_by_the_caller(tmp_path):
    assert user_of(tmp_path) is None
    os.chown(tmp_path, 0, pwd.getpwnam("www-data").pw_gid)
    assert user_of(tmp_path) == pwd.getpwnam("www-data")


@pytest.mark.root
def test_a_group_without_a_user_is_named(tmp_path):
    os.chown(tmp_path, 0, 54321)
    command = [sys.executable, "-P", "-m", "plugins.webui.start_process", "/", str(tmp_path)]
    done = subprocess.run(
        [*command, str(tmp_path / "pid"), str(tmp_path / "log")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, f"error: the group of {tmp_path} has no user of the same name\n")
