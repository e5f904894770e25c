"""The example of a DNS solver, with BIND."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from agent.config.loading import load
from agent.sources import BUILT_IN
from chainwright import DnsSolver, SolverRefused, SolverUnreachable
from support.appliances.example import Example
from support.ports import free_port
from support.waiting import until

KEY = "c2VjcmV0IG9mIHRoaXMgdGVzdCBhbmQgbm8gb3RoZXI="
CHALLENGE = "_acme-challenge.a.example.test"
NAMED = """
options {{ directory "{place}"; pid-file "{place}/pid"; session-keyfile "{place}/session"; recursion no;
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; }};
controls {{ }};
key "chainwright" {{ algorithm hmac-sha256; secret "{key}"; }};
zone "example.test" {{ type primary; file "zone"; update-policy {{ grant chainwright name {challenge} TXT; }}; }};
"""
ZONE = "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"


@contextmanager
def bind(place: Path) -> Iterator[int]:
    """Run a BIND with a zone that a key may change; give its port."""
    place.mkdir()
    port = free_port()
    (place / "named.conf").write_text(NAMED.format(place=place, port=port, key=KEY, challenge=CHALLENGE))
    (place / "zone").write_text(ZONE)
    with (place / "log").open("wb") as log:
        server = subprocess.Popen(["named", "-g", "-c", str(place / "named.conf")], stdout=log, stderr=log)
    try:
        until(lambda: serves(port), what=(place / "log").read_text)
        yield port
    finally:
        server.kill()
        server.wait()


def serves(port: int) -> bool:
    try:
        return bool(ask(port, "example.test", "SOA"))
    except (OSError, dns.exception.DNSException):
        return False


def ask(port: int, name: str, kind: str = "TXT") -> set[str]:
    question = dns.message.make_query(name, kind)
    found = dns.query.tcp(question, "127.0.0.1", port=port, timeout=10).answer
    return {record.to_text().strip('"') for records in found for record in records}


class Solving(Example):
    name = "nsupdate"

    def solver(self, port: int, key: str = KEY) -> DnsSolver:
        self.settings(
            f'hostname = "gw"\n[dns.nsupdate]\nserver = "127.0.0.1:{port}"\nkey_name = "chainwright"\nkey = "{key}"\n'
        )
        self.layout.settings.chmod(0o600)
        return load(self.layout, BUILT_IN)[0].dns_solvers["nsupdate"].solver


@pytest.fixture
def box():
    with Solving.make() as appliance:
        yield appliance


@pytest.fixture
def port(box):
    with bind(box.root / "named") as port:
        yield port


def test_answers_stand_side_by_side_and_each_is_taken_back_alone(box, port):
    solver = box.solver(port)
    solver.present(CHALLENGE, "one")
    solver.present(CHALLENGE, "two")
    assert ask(port, CHALLENGE) == {"one", "two"}
    solver.clean_up(CHALLENGE, "one")
    assert ask(port, CHALLENGE) == {"two"}


def test_a_name_that_the_key_may_not_change_is_told(box, port):
    with pytest.raises(SolverRefused) as caught:
        box.solver(port).present("www.example.test", "one")
    assert caught.value.problem.lines() == [
        f"[dns.nsupdate]: The DNS server 127.0.0.1:{port} takes no update: update failed: REFUSED.",
        "Look at its log, and whether this key may change this name.",
    ]
    assert ask(port, "www.example.test") == set()


def test_a_wrong_key_and_a_server_that_is_away_are_told(box, port):
    with pytest.raises(SolverRefused, match="update failed: NOTAUTH"):
        box.solver(port, key="AAAA").present(CHALLENGE, "one")
    with pytest.raises(SolverUnreachable, match="takes no update: "):
        box.solver(free_port()).present(CHALLENGE, "one")
