"""uvicorn's server and connection as the local API and the web interface run them.

uvicorn documents neither class for subclassing. Everything that relies on their inside is here: `pyproject.toml` bounds the
version, and `tests/api/test_uvicorn_hooks.py` has a test for each hook.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import h11
import uvicorn.config
import uvicorn.server
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from agent.api.connection_limit import ConnectionLimit, OpenConnection, Party, Places, party_of, tcp_pools
from agent.api.listener import FLUSH_SECONDS, Listener
from agent.api.log_limit import limit_log

OCTETS_AT_ONCE = 4096
"""Given to h11, which limits the size of headers only while they are incomplete: in one piece they may have any."""


LINGER_OCTETS = 4 * 2**20
"""That may still come of a request that was answered: a client that is still sending loses the answer otherwise."""


class HttpConnection(H11Protocol):
    """One connection, which has a limited time for each part of a request and of an answer.

    A subclass sets the limits, and overrides `state` and `malformed`.
    """

    headers_seconds: float
    """Until the first line and headers of a request have to be there, from their first octet or from the connection's start."""
    linger_seconds = 5.0
    """For the rest of a request that was answered before it had come."""
    stalled_seconds = 30.0
    """Until a connection is dropped whose client takes nothing of an answer that is too long for the buffers."""
    flush_seconds = FLUSH_SECONDS
    """Until a connection that was closed is dropped, where its client does not take what is left of the answer."""
    closing_seconds: float | None = None
    """Until a connection is dropped when the server ends, whether the client closes its side or not."""
    place: OpenConnection | None = None
    limit: ConnectionLimit | None = None
    _timer: asyncio.TimerHandle | None = None
    """For the headers of a request, or for the rest of one that was answered."""
    _writing: asyncio.TimerHandle | None = None
    """For the client to take an answer, or the end of the connection."""
    _left = 0
    """Octets that may still come of a request that was answered."""

    def state(self, transport: asyncio.Transport) -> dict[str, Any]:
        """Return what each request of this connection finds in its state."""
        return {}

    def malformed(self) -> tuple[str, bytes]:
        """Return media type and content of the answer to what is no HTTP."""
        return "text/plain; charset=utf-8", b"Invalid HTTP request received."

    def authenticated(self) -> None:
        """Protect the connection: the request that it answers is of somebody who has logged in."""
        if self.place is not None and not self.cycle.response_complete:
            self.place.protected = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self.app_state = self.state(transport)
        self._start_timer(self.headers_seconds)

    def data_received(self, data: bytes) -> None:
        """Go on waiting while the first line and headers are incomplete, or the rest of a request that was answered."""
        self._heard()
        lingered = self._lingers
        if lingered:
            self._left -= len(data)
            if self._left < 0:
                self.transport.abort()
                return
        for start in range(0, len(data), OCTETS_AT_ONCE):
            if not self.transport.is_closing():
                super().data_received(data[start : start + OCTETS_AT_ONCE])
        if not self._lingers and (lingered or self.conn.their_state is not h11.IDLE):
            self._stop_timer()
        if self.conn.their_state is h11.IDLE:
            self._start_timer(self.headers_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers, and leave the place to another connection."""
        self._stop_timer()
        self._stop_writing()
        if self.limit is not None and self.place is not None:
            self.limit.leave(self.place)
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Leave the time until the next request to uvicorn, which has a timer of its own for it."""
        self._stop_timer()
        self._heard()
        if self.place is not None:
            self.place.protected = False
        if self._lingers:
            self._left = LINGER_OCTETS
            self._start_timer(self.linger_seconds)
        super().on_response_complete()
        if self.transport.is_closing():
            self._wait_for_client(self.flush_seconds)

    def pause_writing(self) -> None:
        """Wait for the client to take what is in the buffers."""
        super().pause_writing()
        self._wait_for_client(self.stalled_seconds)

    def resume_writing(self) -> None:
        """Go on with the answer."""
        self._stop_writing()
        self._heard()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; drop it where its client has not taken the last answer."""
        super().timeout_keep_alive_handler()
        self._wait_for_client(self.flush_seconds)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, unless an answer has begun already, and close."""
        media_type, content = self.malformed()
        headers = [("content-type", media_type), ("content-length", str(len(content))), ("connection", "close")]
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=content),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None:  # its content was no HTTP: the application has nobody left to answer
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()
        self._wait_for_client(self.flush_seconds)

    def shutdown(self) -> None:
        """Close after the answer under way; drop the connection where that takes longer than `closing_seconds`."""
        super().shutdown()
        if self.closing_seconds is not None:
            self.loop.call_later(self.closing_seconds, self.transport.abort)

    @property
    def _lingers(self) -> bool:
        """Whether a request was answered whose content has not come yet."""
        return self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY

    def _heard(self) -> None:
        if self.place is not None:
            self.place.used_at = time.monotonic()

    def _start_timer(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait_for_client(self, seconds: float) -> None:
        self._stop_writing()
        self._writing = self.loop.call_later(seconds, self.transport.abort)

    def _stop_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None


class HttpServer(uvicorn.server.Server):
    """A server on sockets that are open already, which ends cleanly at SIGTERM and SIGINT.

    A subclass overrides `handlers`, `started_listening`, `stopping`, `finished`, `places` and `party`.
    """

    handshake_seconds = 10.0
    """For TLS."""

    def __init__(
        self,
        application: ASGIApp,
        connection: Callable[..., HttpConnection],
        *,
        keep_alive_seconds: int,
        shutdown_seconds: int,
        **options: Any,
    ) -> None:
        super().__init__(
            uvicorn.config.Config(
                application,
                http=cast(Any, connection),
                ws="none",
                loop="asyncio",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",  # its warnings are about requests, which anybody can send
                access_log=False,
                proxy_headers=False,
                server_header=False,
                workers=1,
                timeout_keep_alive=keep_alive_seconds,
                timeout_graceful_shutdown=shutdown_seconds,
                **options,
            )
        )
        self.limit = ConnectionLimit(self.places())
        self._listener: Listener | None = None

    def places(self) -> Mapping[str, Places]:
        """Return how many connections are open at a time, by the pool that `party` names."""
        return tcp_pools()

    def party(self, connection: socket.socket) -> Party:
        """Return whose a new connection is. Raises `OSError` where it has gone."""
        return party_of(connection)

    def handlers(self) -> Mapping[signal.Signals, Callable[[], None]]:
        """Return handlers of further signals."""
        return {}

    def started_listening(self, sockets: list[socket.socket]) -> None:
        """Do what has to wait until connections are accepted."""

    def stopping(self) -> None:
        """Do what comes before the sockets are closed."""

    def finished(self) -> bool:
        """Return whether the server ends by itself; asked ten times a second."""
        return False

    @property
    def connected(self) -> bool:
        """Whether there is a connection, also one that was accepted and not seen yet, which is a task of the loop."""
        return bool(self.server_state.connections) or len(asyncio.all_tasks()) > 1

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install handlers. uvicorn's own would raise the signal again at the end: no clean exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        for number, handler in self.handlers().items():
            loop.add_signal_handler(number, handler)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so. uvicorn's own listeners would have no limits."""
        await super().startup([])
        limit_log()
        if self._listener is None:
            self._listener = Listener(self.limit, self.party, self.connection, self.config.ssl, self.handshake_seconds)
            self._listener.start(sockets or [], self.config.backlog)
        self.started_listening(sockets or [])

    def take_over(self, limit: ConnectionLimit, listener: Listener) -> None:
        """Use a listener that has begun already, and its limit. Call it before `serve`, which then needs no sockets."""
        self.limit = limit
        self._listener = listener

    def adopt(self, transport: asyncio.Transport, place: OpenConnection | None, received: bytes) -> None:
        """Go on with a connection that another protocol has begun: `received` is what it has read of a request."""
        made = self.connection()
        made.place = place
        transport.set_protocol(made)
        made.connection_made(transport)
        if received:
            made.data_received(received)
        transport.resume_reading()

    def connection(self) -> HttpConnection:
        """Return the protocol of a new connection. Call it when the server has started."""
        made: HttpConnection = cast(Any, self.config.http_protocol_class)(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        made.limit = self.limit
        return made

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close after the answers under way."""
        self.stopping()
        if self._listener is not None:
            self._listener.stop()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Return whether it is time to end."""
        return await super().on_tick(counter) or self.finished()
