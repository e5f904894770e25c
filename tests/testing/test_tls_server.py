"""The toy TLS service: every STARTTLS that the probes know, and the ways to misbehave that a test may ask for."""

import os
import signal
from pathlib import Path

import pytest

from agent.pki.encoding import Part, encode
from agent.testing.sample_ca import SampleCa
from chainwright import Chain, StartTLS
from chainwright.testing import Clock, TlsServer, tls_server, until


@pytest.fixture(scope="module")
def chains() -> list[Chain]:
    ca = SampleCa(Clock()())
    return [ca.chain(["t.lan"]), ca.chain(["t.lan"])]


@pytest.fixture
def pem(tmp_path: Path, chains: list[Chain]) -> Path:
    return written(tmp_path / "t.pem", chains[0])


def written(path: Path, chain: Chain) -> Path:
    path.write_bytes(encode(chain, [Part.KEY, Part.FULLCHAIN]))
    return path


@pytest.mark.parametrize("protocol", ["", *StartTLS])
def test_it_speaks_each_protocol_before_the_handshake(pem: Path, chains: list[Chain], protocol: str):
    with tls_server(pem, starttls=protocol) as server:
        assert server.served() == chains[0].fingerprints
        assert len(server.served()) == 2


def test_it_serves_by_name(tmp_path: Path, chains: list[Chain]):
    first, second = (written(tmp_path / f"{number}.pem", chain) for number, chain in enumerate(chains))
    with tls_server({"a.lan": first, "b.lan": second}) as server:
        assert [server.served(name) for name in ("a.lan", "b.lan", "")] == [
            chains[0].fingerprints,
            chains[1].fingerprints,
            chains[0].fingerprints,
        ]


def test_it_is_reloaded_by_a_signal_to_its_pid_file(pem: Path, chains: list[Chain], tmp_path: Path):
    with tls_server(pem, pid_file=tmp_path / "run" / "t.pid") as server:
        written(pem, chains[1])
        os.kill(int(server.pid_file.read_text()), signal.SIGHUP)
        until(lambda: server.served() == chains[1].fingerprints)


def test_it_ignores_reloads_until_it_obeys_again(pem: Path, chains: list[Chain]):
    with tls_server(pem) as server:
        written(pem, chains[1])
        server.ignore_reloads()
        server.reload()
        assert server.served() == chains[0].fingerprints
        server.obey()
        server.reload()
        assert server.served() == chains[1].fingerprints


def test_it_serves_an_old_chain_instead_of_what_its_files_hold(pem: Path, chains: list[Chain], tmp_path: Path):
    with tls_server(written(pem, chains[1])) as server:
        server.serve_instead(written(tmp_path / "old.pem", chains[0]))
        server.reload()
        until(lambda: server.served() == chains[0].fingerprints)


def test_it_dies_at_a_reload_or_at_once(pem: Path):
    with tls_server(pem) as server:
        server.die_at_reload()
        server.reload()
        until(lambda: not server.runs)
        assert server.served() == ()
        server.obey()
        server.start()
        assert server.served()
        server.die()
        assert server.pid_file.exists()
        assert server.served() == ()


def test_it_says_why_it_does_not_start(pem: Path, tmp_path: Path):
    with tls_server(pem) as server:
        broken = TlsServer(tmp_path, {"two words": pem}, server.port, "", tmp_path / "t.pid")
        with pytest.raises(AssertionError, match="ended at once: toyd: error: "):
            broken.start()
