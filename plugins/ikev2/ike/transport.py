"""Datagrams with retransmission (RFC 7296 section 2.1)."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

IKE_PORT = 500
MARKER = bytes(4)
"""Before each message on every port but 500, to tell it from ESP (RFC 3948 section 2.2)."""
LARGEST = 65535
FIRST_WAIT = 0.3
"""Seconds until a request is sent again; each wait is twice the last one."""


def connect(host: str, port: int) -> socket.socket:
    """Return a UDP socket that hears from this address only, and learns of closed ports."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    stream = socket.socket(family, kind, protocol)
    try:
        stream.connect(address)
    except OSError:
        stream.close()
        raise
    return stream


@dataclass(frozen=True)
class Transport:
    """Socket of one dialogue."""

    stream: socket.socket
    port: int
    deadline: float
    """An instant of `time.monotonic`."""

    @property
    def marker(self) -> bytes:
        """What goes before each message."""
        return b"" if self.port == IKE_PORT else MARKER

    def answers(self, request: bytes, until: float | None = None) -> Iterator[bytes]:
        """Send, and yield what comes; send again while nothing more does. Raises `TimeoutError` at the deadline."""
        deadline = self.deadline if until is None else min(until, self.deadline)
        wait = FIRST_WAIT
        while True:
            self.stream.send(self.marker + request)
            yield from self._heard(min(time.monotonic() + wait, deadline))
            if time.monotonic() >= deadline:
                raise TimeoutError
            wait *= 2

    def _heard(self, until: float) -> Iterator[bytes]:
        while (left := until - time.monotonic()) > 0:
            self.stream.settimeout(left)
            try:
                datagram = self.stream.recv(LARGEST)
            except TimeoutError:
                return
            yield datagram.removeprefix(self.marker)
