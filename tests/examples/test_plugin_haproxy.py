"""The example for HAProxy on the real one: chains over the runtime API, configurations by a reload."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from agent.model.deployment import Outcome
from support.appliances.deployed import connect, leaf_of, run_quietly, served
from support.appliances.example import Example
from support.clients.http import answer
from support.servers.local import listening

pytestmark = pytest.mark.root
SITES = ("a.example.test", "b.example.test")


@dataclass
class HAProxied(Example):
    name: ClassVar[str] = "haproxy"

    def site(self, *names: str, upstream: int, **more: object) -> None:
        sites = dict.fromkeys(names, f"http://127.0.0.1:{upstream}")
        self.configure(module={"listen": f"127.0.0.1:{self.port}", "sites": sites, **more})

    def start_service(self) -> None:
        live = self.layout.module("haproxy").live
        run_quietly("haproxy", "-W", "-D", "-f", live / "haproxy.cfg", "-p", self.pid_files["haproxy"])

    @property
    def pid_files(self) -> dict[str, Path]:
        return {"haproxy": self.layout.run / "haproxy.pid"}

    def worker(self) -> str:
        """Return the number of the process that serves: a reload makes another one."""
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(str(self.layout.run / "haproxy.sock"))
            stream.sendall(b"show info\n")
            told = b"".join(iter(lambda: stream.recv(65536), b"")).decode()
        return next(line for line in told.splitlines() if line.startswith("Pid: "))

    def seen(self) -> dict[str, str]:
        return {name: served(self.port, name) for name in SITES}


@pytest.fixture
def box():
    with HAProxied.make() as appliance, listening(answer) as upstream:
        appliance.upstream = upstream.port
        appliance.site(*SITES, upstream=upstream.port)
        yield appliance


@pytest.fixture
def serving(box):
    box.bring_up()
    return box


def ask(stream: ssl.SSLSocket, name: str) -> bytes:
    """Ask over a connection that is kept; return the first line of the answer."""
    stream.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    return stream.recv(65536).split(b"\r\n")[0]


def test_before_haproxy_runs_its_files_wait_for_it(box):
    box.apply()
    box.assert_outcome(Outcome.WAITING)


def test_it_is_started_where_the_agent_may(box):
    box.site(*SITES, upstream=box.upstream, start=True)
    box.apply()
    box.assert_live()
    assert box.seen() == box.chains()


def test_each_site_is_served_with_its_chain(serving):
    assert serving.seen() == serving.chains()


def test_a_new_chain_is_taken_without_a_reload_and_connections_stay(serving):
    worker, before = serving.worker(), serving.seen()
    with connect(serving.port, SITES[0]) as stream:
        assert b" 200 " in ask(stream, SITES[0])
        serving.renew()
        serving.apply()
        serving.assert_live()
        assert b" 200 " in ask(stream, SITES[0])
        assert leaf_of(stream) == before[SITES[0]]
    assert serving.worker() == worker
    assert serving.seen() == serving.chains()
    assert set(serving.seen().values()).isdisjoint(before.values())


def test_another_site_is_served_after_a_reload(serving):
    worker = serving.worker()
    serving.site(*SITES, "c.example.test", upstream=serving.upstream)
    serving.apply()
    serving.assert_live()
    assert serving.worker() != worker
    assert served(serving.port, "c.example.test") == serving.chains()["c.example.test"]


def test_a_configuration_that_haproxy_refuses_changes_nothing(serving):
    worker, before = serving.worker(), serving.seen()
    serving.break_template("haproxy.cfg.j2", "    serve everybody")
    serving.apply()
    serving.assert_outcome(Outcome.REFUSED, "parsing", "unknown keyword 'serve'")
    assert (serving.worker(), serving.seen()) == (worker, before)


def test_a_configuration_that_only_a_start_finds_wrong_is_rolled_back(serving):
    before = serving.seen()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        serving.break_template("haproxy.cfg.j2", f"listen taken\n    bind 127.0.0.1:{other.getsockname()[1]}")
        serving.apply()
    serving.assert_outcome(Outcome.ROLLED_BACK, "generation")
    assert serving.seen() == before
