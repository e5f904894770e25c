"""Chains as files for services that somebody else configures, on the real daemons."""

import grp
import os
import pwd
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from agent.model.deployment import Outcome
from agent.system.processes import process_of
from support.appliances.deployed import Deployed, run_quietly, served
from support.appliances.proxied import NGINX, TEMPORARY
from support.ports import free_port
from support.waiting import until

HAPROXY = "/usr/sbin/haproxy"
NAME = "shop.example.test"
MAIN = """# The administrator's.
daemon on;
pid ROOT/nginx.pid;
error_log ROOT/nginx.log;
events { }
http {
    access_log off;
    TEMPORARY
    server {
        listen 127.0.0.1:PORT ssl;
        server_name shop.example.test;
        ssl_certificate ROOT/CHAIN;
        ssl_certificate_key ROOT/KEY;
    }
}
"""
OTHER = ("other.pem", "other.key")
OURS = ("etc/ssl/chainwright/shop/fullchain.pem", "etc/ssl/chainwright/shop/key.pem")


@dataclass
class Published(Deployed):
    """A daemon with a configuration of the administrator's, and files for it."""

    name: ClassVar[str] = "files"
    probe_timeout: int = 2
    port: int = field(default_factory=free_port)
    commands: str = ""
    chain: str = ""

    def tables(self) -> str:
        return f'[modules.files]\n{self.commands}\n[[modules.files.chains]]\nnames = ["{NAME}"]\n{self.chain}'

    @property
    def seen_here(self) -> str:
        return f"endpoints = [{{ port = {self.port} }}]\n"

    @property
    def served(self) -> str:
        return served(self.port, NAME)

    @property
    def bound(self) -> str:
        return self.chains()[NAME]


@dataclass
class OwnServerBlock(Published):
    """An nginx of the administrator's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        run_quietly(
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", "/CN=other", "-days", "9", "-keyout", self.root / "other.key", "-out", self.root / "other.pem"),
        )
        self.commands = f'test = ["{NGINX}", "-t", "-c", "{self.main}"]\n'
        self.commands += f'command = ["{NGINX}", "-c", "{self.main}", "-s", "reload"]\n'
        self.chain = f'directory = "/etc/ssl/chainwright/shop"\n{self.seen_here}'

    @property
    def main(self) -> Path:
        return self.root / "nginx.conf"

    @property
    def pid_files(self) -> dict[str, Path]:
        return {"nginx": self.root / "nginx.pid"}

    def write(self, pair: tuple[str, str]) -> None:
        """Write the main file, which names a chain and its key."""
        temporary = " ".join(f"{kind}_temp_path {self.root}/{kind};" for kind in TEMPORARY)
        values = {
            "TEMPORARY": temporary,
            "PORT": str(self.port),
            "CHAIN": pair[0],
            "KEY": pair[1],
            "ROOT": str(self.root),
        }
        text = MAIN
        for name, value in values.items():
            text = text.replace(name, value)
        self.main.write_text(text)

    def start_service(self) -> None:
        run_quietly(NGINX, "-c", self.main)
        until(lambda: process_of(self.root / "nginx.pid"), what="nginx is up")


@pytest.fixture
def block() -> Iterator[OwnServerBlock]:
    with OwnServerBlock.make() as box:
        box.configure(probe_timeout=1)
        yield box


def test_a_server_block_of_the_administrators_is_renewed_and_seen(block):
    block.write(OURS)
    block.bring_up()
    first = block.bound
    assert block.served == first
    block.renew()
    block.apply()
    assert block.deployment("files").outcome is Outcome.LIVE
    assert first != block.bound == block.served


def test_first_files_stay_for_the_administrator_to_name_them_while_something_else_is_served(block):
    block.write(OTHER)
    block.start_service()
    block.apply()
    deployment = block.deployment("files")
    link = block.root / "etc/ssl/chainwright/shop"
    assert deployment.outcome is Outcome.WAITING
    assert deployment.problem is not None
    assert deployment.problem.code == "deploy.not_taken_up"
    assert deployment.problem.cause.startswith("The service doesn't serve the first files yet: ")
    assert deployment.problem.fix == ("Have its configuration name /etc/ssl/chainwright/shop, then: chainwright apply")
    assert (link / "fullchain.pem").read_bytes()
    block.runner.ran.clear()
    block.apply()
    assert block.runner.count("reload") == 0  # it isn't bothered by each pass
    block.write(OURS)
    with block.store() as store, store.write():
        store.deployments.try_again("deploy.not_taken_up", block.clock())
    block.apply()
    assert block.deployment("files").outcome is Outcome.LIVE
    assert block.served == block.bound


def test_a_test_that_fails_puts_the_files_of_before_back_in_one_step(block):
    block.write(OURS)
    block.bring_up()
    link, before = block.root / "etc/ssl/chainwright/shop", block.bound
    generation = link.readlink()
    block.main.write_text(block.main.read_text() + "rubbish;\n")
    block.renew()
    block.apply()
    (refusal,) = block.refusals()
    assert refusal.problem.cause.startswith("nginx refuses even the configuration that is in service: [emerg] unknown")
    assert link.readlink() == generation
    assert block.served == before


def test_a_reload_that_the_service_does_not_show_is_taken_back(block):
    block.write(OURS)
    block.bring_up()
    before = block.bound
    block.configure(commands='command = ["/bin/true"]\n')
    block.renew()
    block.apply()
    assert block.deployment("files").outcome is Outcome.ROLLED_BACK
    assert block.served == before


def test_files_that_the_service_still_names_are_not_taken_away_until_it_does_without(block):
    block.write(OURS)
    block.bring_up()
    link, before = block.root / "etc/ssl/chainwright/shop", block.served
    block.settings("")
    block.apply()
    deployment = block.deployment("files")
    assert deployment.outcome is Outcome.RETIRING
    assert deployment.problem is not None
    assert "cannot load certificate" in deployment.problem.cause
    assert link.is_dir()
    assert block.served == before
    block.write(OTHER)
    block.renew()
    block.apply()
    with block.store() as store:
        assert "files" not in store.deployments.all()
    assert not link.is_symlink()
    assert block.served != before


HAPROXY_MAIN = """
global
    stats socket {root}/haproxy.sock mode 600 level admin expose-fd listeners
    master-worker
    pidfile {root}/haproxy.pid
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend https
    bind 127.0.0.1:{port} ssl crt {root}/etc/haproxy/certs/
    http-request return status 200
"""


@pytest.fixture
def balanced() -> Iterator[Published]:
    """An haproxy of the administrator's, whose master starts new workers at SIGUSR2."""
    with Published.make() as box:
        main = box.root / "haproxy.cfg"
        main.write_text(HAPROXY_MAIN.format(root=box.root, port=box.port))
        reload = box.program("reload", f'#!/bin/sh\nexec kill -USR2 "$(cat {box.root}/haproxy.pid)"\n')
        box.commands = f'test = ["{HAPROXY}", "-c", "-f", "{main}"]\ncommand = ["{reload}"]\n'
        box.chain = f'files = [{{ format = "combined", path = "/etc/haproxy/certs/shop.pem" }}]\n{box.seen_here}'
        box.configure()
        yield box


def test_haproxy_is_given_key_and_chain_in_one_file_and_serves_the_next_one_after_its_reload(balanced):
    balanced.apply()
    assert balanced.deployment("files").outcome is Outcome.WAITING  # it needs its files to start
    balanced.run("haproxy", [HAPROXY, "-W", "-f", str(balanced.root / "haproxy.cfg")])
    until(lambda: balanced.served, what="haproxy serves")
    balanced.apply()
    assert balanced.deployment("files").outcome is Outcome.LIVE
    first = balanced.bound
    balanced.renew()
    balanced.apply()
    assert balanced.deployment("files").outcome is Outcome.LIVE
    assert first != balanced.bound == balanced.served


def test_without_an_endpoint_it_is_switched_and_not_seen_unless_a_command_confirms_it():
    with Published.make(chain='files = [{ format = "combined", path = "/etc/x.pem" }]\n') as box:
        box.configure(commands='command = ["/bin/true"]\n')
        box.apply()
        deployment = box.deployment("files")
        assert deployment.outcome is Outcome.UNSEEN
        assert deployment.problem is not None
        assert deployment.problem.cause == (
            "The new configuration is switched, not seen: nothing shows that files runs it."
        )
        box.configure(commands='command = ["/bin/true"]\nconfirmation = ["/bin/true"]\n')
        box.renew()
        box.apply()
        assert box.deployment("files").outcome is Outcome.LIVE
        box.configure(chain='files = [{ format = "combined-key-last", path = "/etc/x.pem" }]\n')
        box.apply()  # a change of the configuration alone is confirmed as well
        assert box.deployment("files").outcome is Outcome.LIVE
        assert box.live("files").name == "3"


NOT_BOOTED = """#!/bin/sh
echo "System has not been booted with systemd as init system (PID 1). Can't operate." >&2
exit 1
"""


def test_a_unit_where_systemd_does_not_run_is_told_with_what_to_set_instead(monkeypatch):
    with Published.make(chain='files = [{ format = "combined", path = "/etc/x.pem" }]\n') as box:
        box.program("systemctl", NOT_BOOTED)
        monkeypatch.setenv("PATH", box.path)
        box.configure(commands='unit = "haproxy"\n')
        box.apply()
        deployment = box.deployment("files")
        assert deployment.outcome is Outcome.WAITING
        assert deployment.problem is not None
        assert deployment.problem.fix == (
            "Set what reloads it without systemd in [modules.files], then: chainwright apply"
        )
        assert (box.root / "etc/x.pem").exists()


def test_a_unit_that_runs_is_restarted_where_it_is_to_be(monkeypatch):
    with Published.make(chain='files = [{ format = "combined", path = "/etc/x.pem" }]\n') as box:
        box.program("systemctl", f'#!/bin/sh\necho "$*" >>{box.root}/asked\n')
        monkeypatch.setenv("PATH", box.path)
        box.configure(commands='unit = "billing@main"\nunit_action = "restart"\n')
        box.apply()
        asked = (box.root / "asked").read_text().splitlines()
        assert asked == ["is-active --quiet billing@main", "restart billing@main"]
        assert box.deployment("files").outcome is Outcome.UNSEEN


FORMATS = """
directory = "/etc/ssl/shop"
separate = true
[[modules.files.chains.files]]
format = "fullchain"
[[modules.files.chains.files]]
format = "key"
[[modules.files.chains.files]]
format = "pkcs12"
password_file = "/password"
[[modules.files.chains.files]]
format = "pkcs12"
name = "open.p12"
[[modules.files.chains.files]]
format = "key-der"
[[modules.files.chains.files]]
format = "leaf-der"
[[modules.files.chains.files]]
format = "chain"
[[modules.files.chains.files]]
format = "combined-key-last"
path = "/etc/combined.pem"
owner = "www-data"
group = "games"
mode = "0440"
[[modules.files.chains.files]]
format = "key"
path = "/etc/key.pem"
[[modules.files.chains.files]]
format = "leaf"
path = "/etc/leaf.pem"
"""


def openssl(*arguments: str | Path) -> str:
    argv = ["openssl", *map(str, arguments)]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=True).stdout


def owned(path: Path) -> tuple[str, str, str]:
    status = path.stat()
    return pwd.getpwuid(status.st_uid)[0], grp.getgrgid(status.st_gid)[0], f"{stat.S_IMODE(status.st_mode):04o}"


@pytest.mark.root
def test_each_format_is_what_other_programs_read_with_the_owner_and_mode_that_it_is_to_have():
    with Published.make(chain=FORMATS) as box:
        (box.root / "password").write_text("correct horse")
        (box.root / "password").chmod(0o600)
        box.configure(commands='directory_group = "www-data"\ncommand = ["/bin/true"]')
        box.apply()
        etc, shop = box.root / "etc", box.root / "etc/ssl/shop"
        leaf = (etc / "leaf.pem").read_text()
        public = openssl("x509", "-in", etc / "leaf.pem", "-noout", "-pubkey")
        assert openssl("pkey", "-in", etc / "key.pem", "-pubout") == public
        assert openssl("pkey", "-inform", "DER", "-in", shop / "key.der", "-pubout") == public
        assert openssl("x509", "-inform", "DER", "-in", shop / "cert.der") == leaf
        assert (shop / "fullchain.pem").read_text() == leaf + (shop / "chain.pem").read_text()
        assert (etc / "combined.pem").read_text() == (shop / "fullchain.pem").read_text() + (
            etc / "key.pem"
        ).read_text()
        for name, password in (("bundle.p12", "correct horse"), ("open.p12", "")):
            shown = openssl("pkcs12", "-in", shop / name, "-passin", f"pass:{password}", "-nodes")
            assert leaf in shown
            assert (shop / "chain.pem").read_text() in shown
            assert "PRIVATE KEY" in shown
        with pytest.raises(ValueError, match="password"):
            pkcs12.load_pkcs12((shop / "bundle.p12").read_bytes(), b"another")
        assert owned(etc / "combined.pem") == ("www-data", "games", "0440")
        assert owned(etc / "key.pem") == ("root", "www-data", "0640")
        assert owned(etc / "leaf.pem") == ("root", "www-data", "0644")
        assert owned(shop / "key.pem") == ("root", "www-data", "0640")
        assert owned(shop.resolve()) == ("root", "www-data", "0750")
        with box.store() as store:
            kept = [str(file.to_json()) for each in store.deployments.generations() for file in each.files]
        assert not [each for each in kept if "correct horse" in each]


@pytest.mark.root
def test_the_service_gets_at_its_files_whatever_the_umask_of_the_agent():
    with Published.make(chain='directory = "/srv/tls/shop"\n') as box:
        box.configure(commands='directory_group = "www-data"\ncommand = ["/bin/true"]')
        box.layout.state.parent.mkdir(parents=True, exist_ok=True)  # /var/lib, which is there
        before = os.umask(0o077)  # as in the agent's unit
        try:
            box.apply()
        finally:
            os.umask(before)
        argv = [
            "setpriv",
            "--reuid=www-data",
            "--regid=www-data",
            "--clear-groups",
            "cat",
            str(box.root / "srv/tls/shop/key.pem"),
        ]
        assert b"PRIVATE KEY" in subprocess.run(argv, capture_output=True, timeout=20, check=True).stdout


def test_another_password_makes_another_file_and_the_same_one_does_not():
    with Published.make(
        chain='files = [{ format = "pkcs12", path = "/etc/x.p12", password_file = "/password" }]\n'
    ) as box:
        password = box.root / "password"
        for text in ("one", "one", "two"):
            password.write_text(text)
            password.chmod(0o600)
            box.configure()
            box.apply()
            assert pkcs12.load_pkcs12((box.root / "etc/x.p12").read_bytes(), text.encode()).key
        with box.store() as store:
            assert box.live("files").name == "2", store.deployments.numbers("module:files")


def test_a_file_of_somebody_else_s_is_not_overwritten():
    with Published.make(chain='files = [{ format = "combined", path = "/etc/x.pem" }]\n') as box:
        (box.root / "etc").mkdir(exist_ok=True)
        (box.root / "etc/x.pem").write_text("theirs")
        box.configure()
        box.apply()
        deployment = box.deployment("files")
        assert deployment.outcome is Outcome.REFUSED
        assert (box.root / "etc/x.pem").read_text() == "theirs"
