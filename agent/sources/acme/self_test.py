"""Asking this machine for the answer to a challenge, as a CA would (RFC 8555 section 8.3), and seeing who answers."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, urljoin, urlsplit

from agent.contract.endpoint import Address
from agent.errors.wording import quoted
from agent.probing.connection import NOBODY_LISTENS, connected, in_plain_words, secured
from agent.probing.handshake import lenient_context
from agent.system.http_exchange import HttpAnswer, HTTPException, RemoteDisconnected, exchange, request_head

PATH = "/.well-known/acme-challenge/"
REDIRECTIONS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTIONS = 10
"""As Boulder, the software of Let's Encrypt, has it."""
LARGEST_ANSWER = 1024
"""Octets of an answer that are read."""
WHO = "chainwright (looking who answers here)"
SHOWN = 40
"""Characters of an answer that are shown."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where CAs look, also when they are redirected."""

    http: int = 80
    https: int = 443


@dataclass(frozen=True, slots=True)
class Seen:
    """What came back at one address."""

    address: Address
    status: int = 0
    """Of HTTP; 0: no answer."""
    reason: str = ""
    """The words behind the status; without an answer, why not."""
    server: str = ""
    """What answered last, by its own account."""
    body: str = ""
    """As far as it was read, without white space at its end."""
    location: str = ""
    """URL of a redirection that was not followed."""
    at: str = ""
    """URL of the last redirection that was followed."""
    nobody: bool = False
    """Nobody listens there."""
    beside: str = ""
    """What was seen at the other addresses of the name, as a clause."""

    def answers(self, key_authorization: str) -> bool:
        """Whether a CA would be content."""
        return self.status == 200 and self.body == key_authorization

    @property
    def silent(self) -> bool:
        """Whether there is no point in asking for something else."""
        return not self.status

    def __str__(self) -> str:
        """Return what was seen as a clause."""
        return f"{self._clause()}; {self.beside}" if self.beside else self._clause()

    def _clause(self) -> str:
        who = f"{quoted(self.server)[1:-1]} at {self.address}" if self.server else f"what listens at {self.address}"
        if not self.status:
            return f"{self.address}: {self.reason}" + (f" (redirected to {quoted(self.at)})" if self.at else "")
        if self.location:
            return f"{who} redirects to {quoted(self.location)}"
        said = f"{self.status} {self.reason}".rstrip()
        words = f" with {quoted(self.body[:SHOWN])}" if self.body and self.status == 200 else ""
        return f"{who} says {said}{words}{f' at {quoted(self.at)}' if self.at else ''}"


def ask(name: str, token: str, address: str, ports: Ports, deadline: float, allowed: float) -> Seen:
    """Ask `address` for the answer to a challenge of `name`, and follow redirections as long as they stay at `address`.

    `deadline` is an instant of `time.monotonic`, `allowed` the seconds until then, for people.
    """
    url = challenge_url(name, ports.http, token)
    followed = server = ""
    for _ in range(MOST_REDIRECTIONS + 1):
        parts = urlsplit(url)
        where = Address(host=address, port=_port(parts, ports))
        seen = _get(parts, where, deadline, allowed)
        server = seen.server if seen.status else server
        seen = replace(seen, at=followed, server=server, nobody=seen.nobody and not followed)
        if not seen.location or not _may_follow(seen.location, ports):
            return seen
        url = followed = seen.location
    return seen


def challenge_url(name: str, port: int, token: str) -> str:
    """Return where a CA asks for the answer to a challenge of `name`."""
    return f"http://{_authority(name, port)}{PATH}{token}"


def _authority(name: str, port: int) -> str:
    """Return the name as it is written in a URL; a port that is the protocol's own is left out (RFC 9110 section 7.2)."""
    host = f"[{name}]" if ":" in name else name
    return host if port == 80 else f"{host}:{port}"


def _port(parts: SplitResult, ports: Ports) -> int:
    return parts.port or (ports.https if parts.scheme == "https" else ports.http)


def _may_follow(url: str, ports: Ports) -> bool:
    """Whether a CA would: `http` and `https` at their own ports only. Certificates don't matter to it."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and _port(parts, ports) in {ports.http, ports.https}
        )
    except ValueError:
        return False


def _get(parts: SplitResult, where: Address, deadline: float, allowed: float) -> Seen:
    try:
        with _stream(parts, where, deadline) as stream:
            return _seen(parts, exchange(stream, _head(parts), deadline, LARGEST_ANSWER, cut=True), where)
    except RemoteDisconnected:
        return Seen(where, reason="the connection was closed without an answer")
    except OSError as error:
        return Seen(where, reason=in_plain_words(error, allowed), nobody=error.errno in NOBODY_LISTENS)
    except (HTTPException, ValueError):  # also of a host name in a redirection that is none
        return Seen(where, reason="what answers is not HTTP")


@contextmanager
def _stream(parts: SplitResult, where: Address, deadline: float) -> Iterator[socket.socket]:
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(connected(where, deadline))
        if parts.scheme == "http":
            yield plain
        else:
            yield stack.enter_context(secured(plain, lenient_context(), str(parts.hostname), deadline))


def _head(parts: SplitResult) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    return request_head("GET", _plain(target), _plain(host), {"User-Agent": WHO})


def _plain(text: str) -> str:
    """Return a part of a redirection's URL as it can be sent."""
    return text.encode("ascii", "replace").decode().replace(" ", "%20")


def _seen(parts: SplitResult, answer: HttpAnswer, where: Address) -> Seen:
    location = answer.headers.get("location", "") if answer.status in REDIRECTIONS else ""
    target = _absolute(parts.geturl(), location) if location else ""
    body = answer.body.decode("utf-8", "replace").rstrip()
    return Seen(where, answer.status, answer.reason, answer.headers.get("server", ""), body, target)


def _absolute(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:  # brackets without an address between them
        return location
