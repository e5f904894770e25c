"""MTA-STS policies are looked at without the lock, within bounds, and what was known outlives a server that is down."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.engine.policy_questions import (
    PolicyAnswer,
    ask_policies,
    begin,
    get_policy,
    known_policies,
    settle_policies,
)
from agent.model.need import Need
from agent.planning import AskPolicies, State, plan
from agent.planning.evidence import Evidence
from agent.store import Store
from agent.system.http_exchange import HttpAnswer
from agent.system.layout import Layout
from support.cas import certificates

NOW = datetime(2026, 11, 30, tzinfo=UTC)
DOMAIN = "example.com"
TEXT = b"version: STSv1\nmode: enforce\nmx: mail.example.com\nmax_age: 86400\n"
PLAIN = {"content-type": "text/plain; charset=utf-8"}
NEED = Need(("mail.example.com",), module="mail", mta_sts=(DOMAIN,))


@pytest.fixture
def store(tmp_path):
    with Store.open(Layout(tmp_path)) as opened:
        yield opened


def asked(answer: HttpAnswer | Exception) -> PolicyAnswer:
    def get(url: str) -> HttpAnswer:
        assert url == "https://mta-sts.example.com/.well-known/mta-sts.txt"
        if isinstance(answer, Exception):
            raise answer
        return answer

    (found,) = ask_policies([DOMAIN], lambda: False, get)
    return found


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (HttpAnswer(status=404, reason="", headers={}, body=b""), "the server answers with HTTP status 404"),
        (HttpAnswer(status=200, reason="", headers=PLAIN, body=b"\xff"), "it is no plain text"),
        (HttpAnswer(status=200, reason="", headers=PLAIN, body=b"<html>"), "it does not begin with version: STSv1"),
        (HttpAnswer(status=200, reason="", headers={}, body=TEXT), "its media type is missing, not text/plain"),
        (
            HttpAnswer(status=200, reason="", headers={"content-type": "text/html"}, body=TEXT),
            "its media type is text/html, not text/plain",
        ),
        (TimeoutError("timed out"), "no complete answer in time"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
    ],
)
def test_what_brings_no_policy_says_why(answer, problem):
    assert asked(answer) == PolicyAnswer(DOMAIN, problem=problem)


def test_a_policy_is_kept_and_outlives_a_server_that_is_down(store):
    settle_policies(store, [asked(HttpAnswer(status=200, reason="", headers=PLAIN, body=TEXT))], NOW)
    known = known_policies(store)[DOMAIN]
    assert (known.mode, known.hosts, known.problem) == ("enforce", ("mail.example.com",), "")
    settle_policies(store, [asked(TimeoutError("timed out"))], NOW + timedelta(hours=12))
    later = known_policies(store)[DOMAIN]
    assert (later.mode, later.hosts, later.problem) == (
        "enforce",
        ("mail.example.com",),
        "no complete answer in time",
    )


def test_what_is_kept_damaged_is_asked_for_again(store):
    with store.write():
        store.remember("mta-sts policies", "[1]")
    assert known_policies(store) == {}


def test_a_policy_is_looked_at_when_nobody_has_for_half_a_day(store):
    def due(now: datetime) -> list[object]:
        state = State(Evidence((), (), {}, {}), {}, {}, (), (), policies=known_policies(store))
        return [each for each in plan(now, [], [NEED], state).actions if isinstance(each, AskPolicies)]

    assert due(NOW) == [AskPolicies((DOMAIN,))]
    with store.write():
        begin(store, [DOMAIN], NOW)
    assert due(NOW) == []
    settle_policies(store, [asked(HttpAnswer(status=200, reason="", headers=PLAIN, body=TEXT))], NOW)
    assert due(NOW + timedelta(hours=11)) == []
    assert due(NOW + timedelta(hours=12)) == [AskPolicies((DOMAIN,))]


def test_nothing_is_asked_when_the_agent_stops():
    assert ask_policies([DOMAIN], lambda: True) == []


def test_a_policy_is_not_fetched_without_tls():
    with pytest.raises(ValueError, match="it is not an HTTP URL"):
        get_policy("http://mta-sts.example.com/.well-known/mta-sts.txt")


# Over a real connection

POLICY_HOST = f"mta-sts.{DOMAIN}"


def written(status: str = "200 OK", kind: str = "text/plain", body: bytes = TEXT, more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}\r\n".encode() + body


@dataclass
class PolicyServer:
    """A proxy by which each HTTPS server is this one: what it answers, and what it was asked for."""

    context: ssl.SSLContext
    answer: bytes = b""
    asked: list[str] = field(default_factory=list)

    def serve(self, listening: socket.socket) -> None:
        while True:
            try:
                stream, _peer = listening.accept()
            except OSError:
                return
            with stream, suppress(OSError):
                self.asked.append(first_line(stream))
                stream.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                with self.context.wrap_socket(stream, server_side=True) as secured:
                    self.asked.append(first_line(secured))
                    secured.sendall(self.answer)


def first_line(stream: socket.socket) -> str:
    got = b""
    while b"\r\n\r\n" not in got:
        more = stream.recv(4096)
        if not more:
            raise ConnectionAbortedError
        got += more
    return got.partition(b"\r\n")[0].decode()


@pytest.fixture(scope="module")
def authority() -> certificates.Party:
    return certificates.root(now=datetime.now(UTC))


@contextmanager
def policy_server(
    authority: certificates.Party, directory: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> Iterator[PolicyServer]:
    leaf = authority.leaf(name, now=datetime.now(UTC))
    pair, trusted = directory / "pair.pem", directory / "trusted.pem"
    pair.write_bytes(certificates.key_pem(leaf.key) + certificates.pem(leaf.certificate))
    trusted.write_bytes(certificates.pem(authority.certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    made = PolicyServer(context)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=made.serve, args=(listening,))
    thread.start()
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listening.getsockname()[1]}")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    try:
        yield made
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def test_a_policy_is_had_over_https_as_a_sending_server_has_it(authority, tmp_path, monkeypatch):
    with policy_server(authority, tmp_path, monkeypatch, POLICY_HOST) as server:
        server.answer = written()
        assert ask_policies([DOMAIN], lambda: False) == [PolicyAnswer(DOMAIN, "enforce", ("mail.example.com",))]
        assert server.asked == [f"CONNECT {POLICY_HOST}:443 HTTP/1.1", "GET /.well-known/mta-sts.txt HTTP/1.1"]


def test_what_a_server_does_instead_is_said(authority, tmp_path, monkeypatch):
    answers = {
        written("301 Moved", more=f"Location: https://{POLICY_HOST}/elsewhere\r\n"): "it redirects",
        written(body=b"x" * (64 * 1024 + 1)): "it is larger than 65536 octets",
        written(kind="application/octet-stream"): "its media type is application/octet-stream, not text/plain",
        written("404 Not Found"): "the server answers with HTTP status 404",
        written(more="Content-Length: 1000\r\n"): "the connection was closed early",
        b"": "the connection was closed early",
    }
    with policy_server(authority, tmp_path, monkeypatch, POLICY_HOST) as server:
        for answer, problem in answers.items():
            server.answer, before = answer, len(server.asked)
            assert ask_policies([DOMAIN], lambda: False) == [PolicyAnswer(DOMAIN, problem=problem)]
            assert len(server.asked) == before + 2, "it is asked once, and nobody else is"


@pytest.mark.parametrize("name", [DOMAIN, "mta-sts.example.net"])
def test_a_server_whose_certificate_is_for_another_name_has_no_policy(authority, tmp_path, monkeypatch, name: str):
    with policy_server(authority, tmp_path, monkeypatch, name) as server:
        server.answer = written()
        (answer,) = ask_policies([DOMAIN], lambda: False)
        assert answer.problem == f"Hostname mismatch, certificate is not valid for '{POLICY_HOST}'."
        assert len(server.asked) == 1, "nothing was asked of it"


def test_a_server_with_a_certificate_of_nobody_known_has_no_policy(authority, tmp_path, monkeypatch):
    with policy_server(authority, tmp_path, monkeypatch, POLICY_HOST) as server:
        server.answer = written()
        (tmp_path / "trusted.pem").write_bytes(certificates.pem(certificates.root("Another").certificate))
        (answer,) = ask_policies([DOMAIN], lambda: False)
        assert "certificate" in answer.problem
        assert answer.hosts == ()
