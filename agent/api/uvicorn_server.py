"""uvicorn's server and connection as the local API and the web interface run them.

uvicorn documents neither class for subclassing. Everything that relies on their inside is here: `pyproject.toml` bounds the
version, and `tests/api/test_uvicorn_hooks.py` has a test for each hook.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import h11
import uvicorn.config
import uvicorn.server
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

OCTETS_AT_ONCE = 4096
"""Given to h11, which limits the size of headers only while they are incomplete: in one piece they may have any."""


class HttpConnection(H11Protocol):
    """One connection, which has a limited time for the first line and headers of each request.

    A subclass sets the limits, and overrides `state` and `malformed`.
    """

    headers_seconds: float
    """Until the first line and headers of a request have to be there, from their first octet or from the connection's start."""
    most_connections: int
    """Open at the same time; a further one is dropped."""
    closing_seconds: float | None = None
    """Until a connection that the server has closed is dropped, whether the client closes its side or not; None: by asyncio."""
    _timer: asyncio.TimerHandle | None = None

    def state(self, transport: asyncio.Transport) -> dict[str, Any]:
        """Return what each request of this connection finds in its state."""
        return {}

    def malformed(self) -> tuple[str, bytes]:
        """Return media type and content of the answer to what is no HTTP."""
        return "text/plain; charset=utf-8", b"Invalid HTTP request received."

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, if there is room for the connection."""
        super().connection_made(transport)
        self.app_state = self.state(transport)
        self._start_timer()
        if len(self.connections) > self.most_connections:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Go on waiting while the first line and headers are incomplete."""
        for start in range(0, len(data), OCTETS_AT_ONCE):
            if not self.transport.is_closing():
                super().data_received(data[start : start + OCTETS_AT_ONCE])
        if self.conn.their_state is h11.IDLE:
            self._start_timer()
        else:
            self._stop_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Leave the time until the next request to uvicorn, which has a timer of its own for it."""
        self._stop_timer()
        super().on_response_complete()

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
        self.transport.close()

    def shutdown(self) -> None:
        """Close after the answer under way; drop the connection where that takes longer than `closing_seconds`."""
        super().shutdown()
        if self.closing_seconds is not None:
            self.loop.call_later(self.closing_seconds, self.transport.abort)

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.headers_seconds, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class HttpServer(uvicorn.server.Server):
    """A server on sockets that are open already, which ends cleanly at SIGTERM and SIGINT.

    A subclass overrides `handlers`, `started_listening`, `stopping` and `finished`.
    """

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
        """Listen, then say so."""
        await super().startup(sockets)
        self.started_listening(sockets or [])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close after the answers under way."""
        self.stopping()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Return whether it is time to end."""
        return await super().on_tick(counter) or self.finished()
