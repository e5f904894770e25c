"""Listener of a server: it accepts connections within a limit, and gives each a limited time and buffer for its TLS handshake.

asyncio's own has no limit, a minute for each handshake and 256 KiB for each connection. `SSLProtocol` is not documented for
subclassing: what of it is relied on is here, and `tests/api/test_listener.py` has a test for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, cast

from agent.api.connection_limit import ConnectionLimit, OpenConnection, Party

RECORD = 16 * 1024
"""Octets of a TLS record (RFC 8446 section 5.1): a buffer of this size is never too small."""
UNREAD = 64 * 1024
"""Octets that wait in a buffer, for the application as for the client."""
FLUSH_SECONDS = 15.0
"""Until a connection that was closed is dropped, where the client takes neither the rest of an answer nor the end of TLS."""
ACCEPTED_AT_ONCE = 32
NO_DESCRIPTOR_SECONDS = 0.5
"""Until connections are accepted again after there was no file descriptor for one."""

log = logging.getLogger("chainwright.http")


class HasPlace(Protocol):
    """Connection of a server that has a place in its limit."""

    place: OpenConnection | None


class Tls(SSLProtocol):
    """TLS of one connection, with small buffers."""

    max_size = RECORD

    def __init__(
        self,
        protocol: asyncio.BaseProtocol,
        context: ssl.SSLContext,
        ready: asyncio.Future[None],
        lost: Callable[[], object],
        seconds: float,
    ) -> None:
        super().__init__(
            asyncio.get_running_loop(),
            protocol,
            context,
            ready,
            server_side=True,
            ssl_handshake_timeout=cast(Any, seconds),
            ssl_shutdown_timeout=FLUSH_SECONDS,
        )
        self._lost = lost
        inside: Any = self
        inside._set_read_buffer_limits(UNREAD)
        inside._set_write_buffer_limits(UNREAD)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Say so: the application hears nothing of a handshake that failed."""
        super().connection_lost(exc)
        self._lost()


class Listener:
    """Listening sockets of a server."""

    def __init__(
        self,
        limit: ConnectionLimit,
        party: Callable[[socket.socket], Party],
        protocol: Callable[[], Any],
        context: ssl.SSLContext | None,
        handshake_seconds: float,
    ) -> None:
        """`party` says whose a connection is, `protocol` makes one that `HasPlace`; `context`: None without TLS."""
        self._limit = limit
        self._party = party
        self._protocol = protocol
        self._context = context
        self._handshake_seconds = handshake_seconds
        self._sockets: Sequence[socket.socket] = ()
        self._starting: dict[asyncio.Task[None], OpenConnection] = {}
        self._paused: asyncio.TimerHandle | None = None

    def start(self, sockets: Sequence[socket.socket], backlog: int) -> None:
        """Accept connections from now on."""
        self._sockets = sockets
        for each in sockets:
            each.setblocking(False)
            each.listen(backlog)
        self._resume()

    def stop(self) -> None:
        """Stop accepting, and drop the connections that are in their handshake."""
        self._pause()
        self._sockets = ()
        if self._paused is not None:
            self._paused.cancel()
        for connection in self._starting.values():
            connection.end()

    def _resume(self) -> None:
        loop = asyncio.get_running_loop()
        for each in self._sockets:
            loop.add_reader(each, self._accept, each)

    def _pause(self) -> None:
        loop = asyncio.get_running_loop()
        for each in self._sockets:
            loop.remove_reader(each)

    def _accept(self, listener: socket.socket) -> None:
        for number in range(ACCEPTED_AT_ONCE):
            try:
                accepted, _address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if number == 0:  # only then it is sure that a connection waits: the descriptor is taken first
                    self._no_descriptor(error)
                return
            self._take(accepted)

    def _no_descriptor(self, error: OSError) -> None:
        """Wait a moment: what can't be accepted stays in the queue, so that the socket would be readable again at once."""
        log.error("no connection can be accepted: %s", error.strerror)
        self._limit.end_longest_idle()
        self._pause()
        self._paused = asyncio.get_running_loop().call_later(NO_DESCRIPTOR_SECONDS, self._resume)

    def _take(self, accepted: socket.socket) -> None:
        try:
            accepted.setblocking(False)
            connection = OpenConnection(self._party(accepted), partial(_shut, accepted))
        except (OSError, ValueError):  # it has gone already
            accepted.close()
            return
        if not self._limit.admit(connection):
            accepted.close()
            return
        task = asyncio.get_running_loop().create_task(self._serve(accepted, connection))
        self._starting[task] = connection
        task.add_done_callback(lambda done: self._starting.pop(done, None))

    async def _serve(self, accepted: socket.socket, connection: OpenConnection) -> None:
        """Hand a connection to its protocol, after the handshake."""
        protocol: HasPlace = self._protocol()
        protocol.place = connection
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lower: Any = protocol
        if self._context is not None:
            lower = Tls(lower, self._context, ready, lambda: self._limit.leave(connection), self._handshake_seconds)
        else:
            ready.set_result(None)
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(lambda: lower, accepted)
        except (OSError, ValueError):  # it has gone already
            accepted.close()
            self._limit.leave(connection)
            return
        connection.end = transport.abort
        with contextlib.suppress(OSError):  # of a handshake that fails nobody has to hear
            await ready


def _shut(accepted: socket.socket) -> None:
    """End a connection that is being set up. Its file descriptor stays until the event loop has done with it.

    Closed, its number would be the next connection's, which the loop would take for this one.
    """
    with contextlib.suppress(OSError):
        accepted.shutdown(socket.SHUT_RDWR)
