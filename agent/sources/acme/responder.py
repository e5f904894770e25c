"""`Responder`: the agent's own answer to HTTP-01 challenges, where nobody else has the port.

It needs no list of tokens: a request for a well-formed one gets it back with the thumbprint of the account key, which only
a CA that the agent has an account with can make use of (RFC 8555 section 8.3).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from typing import Self

from agent.sources.acme.bounded_server import DEFAULT_LIMITS, EVERYWHERE, BoundedServer, ServerLimits, listen
from agent.sources.acme.self_test import PATH

NAME = "chainwright"
"""What it calls itself: a second process of the agent knows it by that."""
LARGEST_REQUEST = 8192
"""Octets."""
REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (\S{1,4096}) HTTP/1\.[01]")
TARGET = re.compile(rb"(?:https?://[^/\s]*)?" + re.escape(PATH.encode()) + rb"([A-Za-z0-9_-]{1,128})(?:\?.*)?")


Filed = Callable[[str], str]
"""Returns the answer to a token that is written down, as that of an account with another key is; empty: none is."""


def nothing_filed(_token: str) -> str:
    """Have no answers but those by the thumbprint."""
    return ""


def answer_to(request: bytes, thumbprint: str, filed: Filed = nothing_filed) -> bytes:
    """Return the whole answer to the head of a request. `filed`: see `Filed`."""
    line = REQUEST_LINE.fullmatch(request.partition(b"\n")[0].rstrip(b"\r"))
    if line is None:
        return _answer("400 Bad Request")
    method, target = line.groups()
    if method not in {b"GET", b"HEAD"}:
        return _answer("405 Method Not Allowed", more="Allow: GET, HEAD\r\n")
    token = TARGET.fullmatch(target)
    if token is None:
        return _answer("404 Not Found", head_only=method == b"HEAD")
    text = token[1].decode("ascii")
    return _answer("200 OK", filed(text) or f"{text}.{thumbprint}", head_only=method == b"HEAD")


def _answer(status: str, body: str = "", *, more: str = "", head_only: bool = False) -> bytes:
    body = body or f"{status}\n"
    head = (
        f"HTTP/1.1 {status}\r\nServer: {NAME}\r\nContent-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
    )
    return (head + ("" if head_only else body)).encode("ascii")


class _Client:
    """A connection: its request comes in, then it has been answered and may read the rest."""

    def __init__(self, stream: socket.socket, thumbprint: str, filed: Filed) -> None:
        self.stream = stream
        self.thumbprint = thumbprint
        self.filed = filed
        self.request = bytearray()
        self.answered = False

    def advance(self) -> bool:
        """Read what is there, and answer when it's enough; False when there is nothing more to do. Raises OSError."""
        data = self.stream.recv(LARGEST_REQUEST)
        if not data:
            return False
        if (
            self.answered
        ):  # what follows is thrown away: closing over it would take the answer away (RFC 9112 section 9.6)
            return True
        self.request += data
        if _complete(self.request):
            self._answer(answer_to(bytes(self.request), self.thumbprint, self.filed))
        return True

    def _answer(self, data: bytes) -> None:
        self.stream.send(data)  # a few hundred octets: the kernel takes them at once
        self.stream.shutdown(socket.SHUT_WR)
        self.answered = True


def _complete(request: bytearray) -> bool:
    return b"\r\n\r\n" in request or b"\n\n" in request or len(request) >= LARGEST_REQUEST


class Responder(BoundedServer):
    """Answers HTTP at a port until it's closed."""

    @classmethod
    def at(
        cls,
        thumbprint: str,
        port: int,
        hosts: Sequence[str] = EVERYWHERE,
        *,
        beside: bool = False,
        limits: ServerLimits = DEFAULT_LIMITS,
        filed: Filed = nothing_filed,
    ) -> Self:
        """Listen and answer. Raises OSError; `hosts` and `beside` are those of `listen`."""
        listener = listen(port, hosts, beside=beside)
        return cls(listener, lambda stream: _Client(stream, thumbprint, filed), "http-01", limits).start()
