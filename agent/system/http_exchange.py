"""One HTTP request over a connection that is there: the answer has a bounded size, and is complete before a deadline.

Together with `agent.system.http_fetch`, which makes connections, and the ACME client's `transport`, this is all that speaks HTTP
to others; `tests/system/test_outgoing_http.py` keeps it so.
"""

from __future__ import annotations

import io
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from importlib.metadata import version

from agent.system.deadline import remaining

UNSAFE = re.compile(r"[^\x21-\x7e]")
"""What would end a request's line or a header (RFC 9112 sections 3 and 5)."""
LARGEST_ANSWER = 4096
"""Octets of an answer that tells a number or a status."""

__all__ = [
    "AnswerTooLarge",
    "HTTPException",
    "HttpAnswer",
    "RemoteDisconnected",
    "exchange",
    "http_get",
    "request_head",
]


class AnswerTooLarge(OSError):
    """An answer that is longer than it may be; it was not read further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """Answer to a request."""

    status: int
    reason: str
    headers: Mapping[str, str]
    """By names in lower case; of several of one name, the first."""
    body: bytes


class _TimedStream(io.RawIOBase):
    """Stream whose every piece has to come before the deadline: a server that drips is no faster than one that hangs."""

    def __init__(self, stream: socket.socket, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a reader, as `HTTPResponse` asks a socket for one."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._stream.settimeout(remaining(self._deadline))
        return self._stream.recv_into(buffer)


def request_head(method: str, target: str, host: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a request without content, for a connection that serves no other. Raises ValueError for what would break it."""
    if UNSAFE.search(target) or UNSAFE.search(host) or not target or not host:
        raise ValueError("the address can't be asked for")
    named = {
        "Host": host,
        "User-Agent": _user_agent(),
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        **(headers or {}),
        "Connection": "close",
    }
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items() if value)]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header holds a line break")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@cache
def _user_agent() -> str:
    """Return our name with the release: to find that out takes as long as a request."""
    return f"chainwright/{version('chainwright')}"


def exchange(stream: socket.socket, head: bytes, deadline: float, largest: int, *, cut: bool = False) -> HttpAnswer:
    """Send a request and return its answer. `deadline`: an instant of `time.monotonic`; `largest`: octets of a body.

    With `cut`, a longer body is cut, and one that ends early is as good as a whole one. Raises OSError (`TimeoutError`,
    `AnswerTooLarge`) and `HTTPException`.
    """
    stream.settimeout(remaining(deadline))
    stream.sendall(head)
    method = "HEAD" if head.startswith(b"CONNECT ") else "GET"  # what follows the answer to CONNECT is no body
    response = HTTPResponse(_TimedStream(stream, deadline), method=method)  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read(largest if cut else largest + 1)
        if not cut and len(body) > largest:
            raise AnswerTooLarge(f"it is larger than {largest} octets")
        if not cut and response.length:  # octets that are missing: `read` doesn't raise
            raise IncompleteRead(body, response.length)
    finally:
        response.close()
    headers = {name.lower(): value for name, value in reversed(response.headers.items())}
    return HttpAnswer(status=response.status, reason=response.reason, headers=headers, body=body)


def http_get(stream: socket.socket, target: str, deadline: float, *, host: str = "localhost") -> HttpAnswer:
    """Ask ``GET target`` over a connection that is there, for a probe: of a longer body, the first 4096 octets are returned.

    `deadline`: an instant of `time.monotonic`, as probes are given it. Raises OSError and `http.client.HTTPException`.
    """
    return exchange(stream, request_head("GET", target, host), deadline, LARGEST_ANSWER, cut=True)
