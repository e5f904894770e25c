"""The web interface while nobody uses it: it answers the agent's probe, and imports the pages when somebody asks for one.

A minute after the last connection the process executes itself again with its sockets, which makes it small again: it stays the
same process, no connection is refused meanwhile, and nothing of what people see is lost.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from plugins.webui.headers import HEADERS

if TYPE_CHECKING:
    from agent.api.connection_limit import OpenConnection
    from plugins.webui.tls import SlotContext

REQUEST_LINE = b"GET /generation HTTP/1.1"
END = b"\r\n\r\n"
LONGEST_HEAD = 1024
"""Octets of a probe's request."""
HEADERS_SECONDS = 20.0
"""Until a request has to be there, from the connection's start."""
CLOSING_SECONDS = 2.0
"""Until a connection that was answered is dropped, whether the client closes its side or not."""


class IdleConnection(asyncio.Protocol):
    """Connection that has asked for nothing but ``GET /generation`` so far."""

    headers_seconds = HEADERS_SECONDS
    place: OpenConnection | None = None

    def __init__(self, connections: set[IdleConnection], wanted: Callable[[], None]) -> None:
        """`connections`: those that are open. `wanted` is called when one asks for something else."""
        self._connections = connections
        self._wanted = wanted
        self._timer: asyncio.TimerHandle | None = None
        self.received = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request."""
        self.transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._wait(self.headers_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.leave()

    def data_received(self, data: bytes) -> None:
        """Answer the probe; leave anything else to the pages."""
        assert self.transport is not None
        if self.transport.is_closing():
            return
        self.received += data
        if is_probe(self.received):
            context = cast("SlotContext", self.transport.get_extra_info("ssl_object").context)
            self.transport.write(answer(context.chain.generation))
            self.transport.close()
            self._wait(CLOSING_SECONDS)
        elif not may_become_probe(self.received):
            self.transport.pause_reading()
            self._wanted()

    def leave(self) -> None:
        """Stop the timer: the connection is lost, or another protocol's from now on."""
        self._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, seconds: float) -> None:
        assert self.transport is not None
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.transport.abort)


def is_probe(received: bytes) -> bool:
    """Whether this is the agent's whole request, after which it wants the connection closed."""
    if not received.startswith(REQUEST_LINE) or received.find(END) != len(received) - len(END):
        return False
    first, *lines = received[: -len(END)].lower().split(b"\r\n")
    names = [line.partition(b":")[0] for line in lines]
    is_simple = all(map(HEADER.fullmatch, lines)) and not NOT_SIMPLE & set(names)
    one_each = all(names.count(name) == 1 for name in (b"host", b"connection"))
    return first == REQUEST_LINE.lower() and is_simple and one_each and b"connection: close" in lines


HEADER = re.compile(rb"[a-z0-9-]+: [\x20-\x7e]+")
NOT_SIMPLE = frozenset({b"content-length", b"transfer-encoding", b"expect", b"upgrade"})
"""Names of headers that announce more, in lower case: a request with one of them is left to the pages."""


def may_become_probe(received: bytes) -> bool:
    """Whether this can be the beginning of the agent's request."""
    begun = received[: len(REQUEST_LINE)] == REQUEST_LINE[: len(received)]
    return begun and END not in received and len(received) <= LONGEST_HEAD


def answer(generation: int) -> bytes:
    """Return what the pages answer to ``GET /generation``, too."""
    body = json.dumps({"generation": generation}, separators=(",", ":")).encode()
    headers = {
        "date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
        "content-length": str(len(body)),
        "content-type": "application/json",
        **HEADERS,
        "Connection": "close",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + body
