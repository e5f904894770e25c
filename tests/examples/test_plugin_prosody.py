"""The example for Prosody on the real one, beside a main file of Debian's kind."""

import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from agent.model.deployment import Outcome
from agent.probing.handshake import lenient_context
from support.appliances.deployed import leaf_of
from support.appliances.example import Example
from support.waiting import until

pytestmark = pytest.mark.root
DOMAINS = ("a.example.test", "b.example.test")
MAIN = """
data_path = "{data}"
pidfile = "{pid_file}"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
s2s_ports = {{ }}
modules_enabled = {{ "disco", "saslauth", "tls", "admin_shell", "posix" }}
log = "{data}/log"
certificates = "certs"
VirtualHost "localhost"
Include "conf.d/*.cfg.lua"
"""
STREAM = (
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='{name}' version='1.0'>"
)


@dataclass
class Chatting(Example):
    name: ClassVar[str] = "prosody"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.data = self.root / "data"
        for owned in (self.data, self.pid_files["prosody"].parent):
            owned.mkdir(parents=True)
            shutil.chown(owned, "prosody", "prosody")
        self.included = self.layout.rooted("/etc/prosody/conf.d")
        self.included.mkdir(parents=True)
        self.main = self.included.parent / "prosody.cfg.lua"
        (self.included.parent / "certs").mkdir()
        self.main.write_text(MAIN.format(data=self.data, pid_file=self.pid_files["prosody"], port=self.port))

    @property
    def pid_files(self) -> dict[str, Path]:
        return {"prosody": self.layout.rooted("/run/prosody/prosody.pid")}

    def start_service(self) -> None:
        prosody = ["prosody", "-F", "--config", str(self.main)]
        self.run("prosody", ["runuser", "-u", "prosody", "--", *prosody])
        until(lambda: self.pid_files["prosody"].exists() and self.is_open(), what=self.said)

    def said(self) -> str:
        return (self.root / "prosody.log").read_text() + (self.data / "log").read_text()

    def is_open(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def connection(self, name: str) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        plain.sendall(STREAM.format(name=name).encode())
        read_to(plain, b"</stream:features>")
        plain.sendall(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        read_to(plain, b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        return lenient_context().wrap_socket(plain, server_hostname=name)

    def seen(self) -> dict[str, str]:
        found = {}
        for name in DOMAINS:
            with self.connection(name) as stream:
                found[name] = leaf_of(stream)
        return found


def read_to(stream: socket.socket, end: bytes) -> None:
    octets = b""
    while not octets.endswith(end):
        more = stream.recv(4096)
        assert more, octets
        octets += more


@pytest.fixture
def box():
    with Chatting.make() as appliance:
        appliance.configure(module={"domains": DOMAINS, "port": appliance.port})
        yield appliance


@pytest.fixture
def serving(box):
    box.bring_up()
    return box


def test_before_prosody_runs_its_files_wait_for_it(box):
    box.apply()
    box.assert_outcome(Outcome.WAITING)


def test_a_new_chain_is_served_and_streams_stay(serving):
    before = serving.seen()
    assert before == serving.chains()
    with serving.connection(DOMAINS[0]) as stream:
        serving.renew()
        serving.apply()
        serving.assert_live()
        stream.sendall(STREAM.format(name=DOMAINS[0]).encode())
        read_to(stream, b"</stream:features>")
    assert serving.seen() == serving.chains()
    assert set(serving.seen().values()).isdisjoint(before.values())


def test_a_configuration_that_prosody_refuses_changes_nothing(serving):
    generation, before = serving.live("prosody"), serving.seen()
    serving.break_template("prosody.cfg.lua.j2", "serve everybody")
    serving.apply()
    serving.assert_outcome(Outcome.REFUSED, "syntax error near 'everybody'")
    assert (serving.live("prosody"), serving.seen()) == (generation, before)


def test_a_main_file_that_is_wrong_is_told_and_rolled_back(serving):
    """Prosody takes the signal, and goes on with the configuration that it has."""
    generation = serving.live("prosody")
    with serving.main.open("a") as main:
        main.write("serve everybody\n")
    serving.renew()
    serving.apply()
    serving.assert_outcome(Outcome.ROLLED_BACK)
    assert serving.live("prosody") == generation


def test_a_changed_setting_is_in_force(serving):
    serving.override(
        "prosody/prosody.cfg.lua.j2", '{% include "default:prosody.cfg.lua.j2" %}\nlimits_resolution = 2\n'
    )
    serving.apply()
    serving.assert_live()
    shell = ["prosodyctl", "--config", str(serving.main), "shell"]
    asked = f'> require"core.configmanager".get("{DOMAINS[-1]}", "limits_resolution")'
    told = subprocess.run([*shell, asked], check=True, capture_output=True, text=True, timeout=30).stdout
    assert "Result: 2" in told
