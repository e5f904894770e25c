"""`BoundedServer`: a small server whose clients can't use up much: connections, octets and time are bounded.

Answers to challenges come from it where the agent itself listens.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

EVERYWHERE = ("::", "0.0.0.0")  # noqa: S104 - a CA comes from anywhere
"""Both families with one socket; IPv4 alone on a machine without IPv6."""
NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})
QUEUE = 256
"""Connections that the kernel keeps for it."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What clients may use up."""

    clients: int = 256
    """At the same time; the oldest makes room for the next."""
    patience: float = 10.0
    """Seconds that one may take."""
    grace: float = 1.0
    """Seconds for those who are there when it ends."""


DEFAULT_LIMITS = ServerLimits()


class Client(Protocol):
    """What answers one connection."""

    def advance(self) -> bool:
        """Read what is there, and answer when it's enough; False when there is nothing more to do. Raises OSError."""


def listen(port: int, hosts: Sequence[str] = EVERYWHERE, *, beside: bool = False) -> socket.socket:
    """Open the port at the first of `hosts` whose family this machine has. Raises OSError.

    Once bound it may be shared: only an agent of the same user that asks for it (`beside`) can then listen as well, and
    takes over when the first one ends. The port of anybody else is never shared: who has it is seen when it's bound.
    """
    *others, last = hosts
    for host in others:
        try:
            return _listen(host, port, beside=beside)
        except OSError as error:
            if error.errno not in NO_IPV6:
                raise
    return _listen(last, port, beside=beside)


def _listen(host: str, port: int, *, beside: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(beside))
        listener.bind((host, port))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.listen(QUEUE)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


class BoundedServer:
    """Answers at a listening socket until it's closed. One thread, and a client that is slow holds up nobody."""

    def __init__(
        self,
        listener: socket.socket,
        welcome: Callable[[socket.socket], Client],
        name: str,
        limits: ServerLimits = DEFAULT_LIMITS,
    ) -> None:
        """`welcome` makes of each connection what answers it; `name` is the thread's."""
        self._listener = listener
        self._welcome = welcome
        self._limits = limits
        self._clients: dict[socket.socket, Client] = {}
        """The oldest first."""
        self._selector = selectors.DefaultSelector()
        self._ending: float | None = None
        """Instant of `time.monotonic` after which nobody is waited for."""
        self._bell, self._ring = socket.socketpair()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._selector.register(listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._ends: dict[socket.socket, float] = {}
        """Instant of `time.monotonic` at which each client is dropped."""

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop; who has already connected is still answered."""
        self._ring.close()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._done():
                for key, _events in self._selector.select(self._pause()):
                    self._handle(key.fileobj)
                self._drop_the_slow()
        finally:
            for stream in [*self._clients, self._listener, self._bell]:
                stream.close()
            self._selector.close()

    def _done(self) -> bool:
        return self._ending is not None and (not self._clients or time.monotonic() >= self._ending)

    def _pause(self) -> float | None:
        ends = [*self._ends.values()]
        ends += [] if self._ending is None else [self._ending]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _handle(self, ready: object) -> None:
        if ready is self._bell:
            self._end()
        elif ready is self._listener:
            if self._ending is None:
                self._accept()
        elif isinstance(ready, socket.socket):
            self._serve(ready)

    def _end(self) -> None:
        self._ending = time.monotonic() + self._limits.grace
        for _ in range(QUEUE):  # closing the listener would refuse those whom the kernel has already let in
            if not self._accept():
                break
        self._selector.unregister(self._bell)
        self._selector.unregister(self._listener)
        self._listener.close()

    def _accept(self) -> bool:
        """Take one client; False when there is none."""
        try:
            stream, _address = self._listener.accept()
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                self._drop_oldest()
            return False
        stream.setblocking(False)
        if len(self._clients) >= self._limits.clients:
            self._drop_oldest()
        self._clients[stream] = self._welcome(stream)
        self._ends[stream] = time.monotonic() + self._limits.patience
        self._selector.register(stream, selectors.EVENT_READ)
        return True

    def _serve(self, stream: socket.socket) -> None:
        client = self._clients.get(stream)
        if client is None:  # dropped since it was seen to be ready
            return
        try:
            if client.advance():
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._drop(stream)

    def _drop_the_slow(self) -> None:
        now = time.monotonic()
        for stream in [each for each, until in self._ends.items() if until <= now]:
            self._drop(stream)

    def _drop_oldest(self) -> None:
        if self._clients:
            self._drop(next(iter(self._clients)))
        else:
            time.sleep(0.1)  # no descriptors left in the whole process: some will be closed

    def _drop(self, stream: socket.socket) -> None:
        del self._clients[stream], self._ends[stream]
        with contextlib.suppress(KeyError):
            self._selector.unregister(stream)
        stream.close()
