"""`Responder`: the agent's own answer to HTTP-01 challenges, where nobody else has the port.

It needs no list of tokens: a request for a well-formed one gets it back with the thumbprint of the account key, which only
a CA that the agent has an account with can make use of (RFC 8555 section 8.3).
"""

from __future__ import annotations

import contextlib
import errno
import re
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from agent.sources.acme.self_test import PATH

NAME = "chainwright"
"""What it calls itself: a second process of the agent knows it by that."""
EVERYWHERE = ("::", "0.0.0.0")  # noqa: S104 - a CA comes from anywhere
"""Both families with one socket; IPv4 alone on a machine without IPv6."""
NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})
QUEUE = 256
"""Connections that the kernel keeps for it."""
LARGEST_REQUEST = 8192
"""Octets."""
REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (\S{1,4096}) HTTP/1\.[01]")
TARGET = re.compile(rb"(?:https?://[^/\s]*)?" + re.escape(PATH.encode()) + rb"([A-Za-z0-9_-]{1,128})(?:\?.*)?")


Filed = Callable[[str], str]
"""Returns the answer to a token that is written down, as that of an account with another key is; empty: none is."""


@dataclass(frozen=True, slots=True)
class ResponderLimits:
    """What clients may use up."""

    clients: int = 256
    """At the same time; the oldest makes room for the next."""
    patience: float = 10.0
    """Seconds that one may take."""
    grace: float = 1.0
    """Seconds for those who are there when it ends."""


DEFAULT_LIMITS = ResponderLimits()


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


class _Client:
    """A connection: its request comes in, then it has been answered and may read the rest."""

    def __init__(self, stream: socket.socket, until: float) -> None:
        self.stream = stream
        self.until = until
        self.request = bytearray()
        self.answered = False

    def advance(self, thumbprint: str, filed: Filed) -> bool:
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
            self._answer(answer_to(bytes(self.request), thumbprint, filed))
        return True

    def _answer(self, data: bytes) -> None:
        self.stream.send(data)  # a few hundred octets: the kernel takes them at once
        self.stream.shutdown(socket.SHUT_WR)
        self.answered = True


def _complete(request: bytearray) -> bool:
    return b"\r\n\r\n" in request or b"\n\n" in request or len(request) >= LARGEST_REQUEST


class Responder:
    """Answers at a port until it's closed. One thread, and a client that is slow holds up nobody."""

    def __init__(
        self,
        listener: socket.socket,
        thumbprint: str,
        limits: ResponderLimits = DEFAULT_LIMITS,
        filed: Filed = nothing_filed,
    ) -> None:
        self._listener = listener
        self._thumbprint = thumbprint
        self._filed = filed
        self._limits = limits
        self._clients: dict[socket.socket, _Client] = {}
        """The oldest first."""
        self._selector = selectors.DefaultSelector()
        self._ending: float | None = None
        """Instant of `time.monotonic` after which nobody is waited for."""
        self._bell, self._ring = socket.socketpair()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._selector.register(listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="http-01", daemon=True)

    @classmethod
    def start(
        cls,
        thumbprint: str,
        port: int,
        hosts: Sequence[str] = EVERYWHERE,
        *,
        beside: bool = False,
        limits: ResponderLimits = DEFAULT_LIMITS,
        filed: Filed = nothing_filed,
    ) -> Self:
        """Listen and answer. Raises OSError; `hosts` and `beside` are those of `listen`."""
        responder = cls(listen(port, hosts, beside=beside), thumbprint, limits, filed)
        responder._thread.start()
        return responder

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
        ends = [client.until for client in self._clients.values()]
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
        self._clients[stream] = _Client(stream, time.monotonic() + self._limits.patience)
        self._selector.register(stream, selectors.EVENT_READ)
        return True

    def _serve(self, stream: socket.socket) -> None:
        client = self._clients.get(stream)
        if client is None:  # dropped since it was seen to be ready
            return
        try:
            if client.advance(self._thumbprint, self._filed):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._drop(stream)

    def _drop_the_slow(self) -> None:
        now = time.monotonic()
        for stream in [each for each, client in self._clients.items() if client.until <= now]:
            self._drop(stream)

    def _drop_oldest(self) -> None:
        if self._clients:
            self._drop(next(iter(self._clients)))
        else:
            time.sleep(0.1)  # no descriptors left in the whole process: some will be closed

    def _drop(self, stream: socket.socket) -> None:
        del self._clients[stream]
        with contextlib.suppress(KeyError):
            self._selector.unregister(stream)
        stream.close()
