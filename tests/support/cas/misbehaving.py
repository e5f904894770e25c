"""A proxy before a real CA that misbehaves as a test wants, at the requests that it wants.

The CA behind it is Pebble or acme2certifier, as it comes; what it answers goes through unless a rule meets the request's path.
``ca.answers("/order-plz", Reply(503))`` answers in the CA's place, ``ca.edits("/certZ/", change)`` changes what the CA answers,
and ``ca.heals()`` lets everything through again. A later rule goes before an earlier one.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from threading import Event
from typing import Any

from support.cas.acme2certifier import Acme2Certifier
from support.cas.pebble import Pebble
from support.cas.program import directly
from support.cas.stub_server import Reply, StubServer

Answered = Callable[[Reply], Reply]
"""What becomes of an answer of the CA."""
KEPT = frozenset({"content-type", "link", "location", "replay-nonce", "retry-after"})
"""Headers of the CA that go through."""
SENT = frozenset({"accept", "content-type", "host", "user-agent"})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
PIECE = b"A" * 65536
MANY = 2_000_000_000
"""Bytes."""


@dataclass(frozen=True)
class Rule:
    path: str
    """Part of the request's."""
    answered: Answered
    asked: bool
    """The CA behind gets the request."""


class Misbehaving:
    """One CA and the proxy before it. Where HTTP-01 is validated and what DNS says is the CA's own."""

    def __init__(self, ca: Pebble | Acme2Certifier) -> None:
        self.ca = ca
        self.http_port = ca.http_port
        self.dns = ca.dns
        self.trust_file = ca.trust_file if isinstance(ca, Pebble) else None
        self.seen: list[str] = []
        """``POST /order-plz``, in order."""
        self.gone = Event()
        """Set at the end: what hangs or drips ends then."""
        self.sent = 0
        """Pieces of what `big` answers."""
        self._rules: list[Rule] = []
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        """By which it says the time."""
        self._server = StubServer(self._respond, self.now, self._tls())

    def now(self) -> datetime:
        return self.clock()

    @property
    def url(self) -> str:
        return f"{self._server.scheme}://127.0.0.1:{self._server.port}"

    @property
    def directory_url(self) -> str:
        return self.ca.directory_url.replace(self._upstream, self.url)

    def answers(self, path: str, reply: Reply) -> None:
        """Answer in the CA's place."""
        self._rules.insert(0, Rule(path, lambda _nothing: reply, asked=False))

    def edits(self, path: str, change: Answered) -> None:
        """Change what the CA answers."""
        self._rules.insert(0, Rule(path, change, asked=True))

    def heals(self) -> None:
        self._rules.clear()

    def requests(self, path: str) -> list[str]:
        return [each for each in self.seen if path in each]

    def close(self) -> None:
        self.gone.set()
        self._server.stop()

    # Replies that no real CA gives

    def dripping(self, seconds: float = 0.2, first: bytes = HEAD % 100_000) -> Reply:
        """Return an answer of which a byte comes now and then; the connection is never idle for long."""
        return Reply(pieces=lambda: chain([first], self._drops(seconds)))

    def hanging(self) -> Reply:
        """Return an answer that never comes."""
        return Reply(pieces=lambda: self._drops(3600))

    def big(self, head: bytes = HEAD) -> Reply:
        """Return an answer with a body that nobody has room for."""

        def pieces() -> Iterator[bytes]:
            yield head % MANY
            for _ in range(MANY // len(PIECE)):
                self.sent += 1
                yield PIECE

        return Reply(pieces=pieces)

    # Inside

    def _drops(self, seconds: float) -> Iterator[bytes]:
        while not self.gone.wait(seconds):
            yield b" "

    @property
    def _upstream(self) -> str:
        return "/".join(self.ca.directory_url.split("/")[:3])

    def _tls(self) -> ssl.SSLContext | None:
        if not isinstance(self.ca, Pebble):
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca.directory / "listener.pem", self.ca.directory / "listener.key")
        return context

    def _respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        self.seen.append(f"{method} {path}")
        rule = next((each for each in self._rules if each.path in path), None)
        if rule is None:
            return self._of_the_ca(method, path, headers, body)
        return rule.answered(self._of_the_ca(method, path, headers, body) if rule.asked else Reply())

    def _of_the_ca(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        with directly() as session:
            answer = session.request(
                method,
                self._upstream + path,
                headers={name: text for name, text in headers.items() if name.lower() in SENT},
                data=body or None,
                verify=str(self.trust_file or "") or True,
                allow_redirects=False,
                timeout=60,
            )
        kept = {name: text for name, text in answer.headers.items() if name.lower() in KEPT}
        return Reply(answer.status_code, headers=kept, body=answer.content)


def with_field(name: str, value: Any) -> Answered:
    """Return a change that sets a member of the JSON object that the CA answers."""

    def change(reply: Reply) -> Reply:
        return replace(reply, body={**reply.json(), name: value})

    return change


def without_field(name: str) -> Answered:
    """Return a change that takes a member out of the JSON object that the CA answers."""

    def change(reply: Reply) -> Reply:
        return replace(reply, body={key: value for key, value in reply.json().items() if key != name})

    return change


def with_headers(**headers: str) -> Answered:
    """Return a change that sets headers; ``_`` in their names is written ``-``."""
    return lambda reply: replace(
        reply, headers={**reply.headers, **{name.replace("_", "-"): text for name, text in headers.items()}}
    )
