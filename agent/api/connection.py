"""A connection to the local API: it knows the user whose process is at the other end."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any

import h11

from agent.api import problems
from agent.api.connection_limit import Party
from agent.api.limits import ApiLimits
from agent.api.uvicorn_server import HttpConnection
from agent.errors.api import BadRequest

CREDENTIALS = struct.Struct("3i")
"""`struct ucred` of unix(7): pid, uid, gid."""
PROCESSES = "processes"
"""The pool of all connections."""


HEARTBEAT = b"chainwright-heartbeat"
"""Header of a client that wants to hear that its request is being worked on."""
HEARTBEAT_SECONDS = 1.0


class ApiConnection(HttpConnection):
    """Tells each request the uid of the process at the other end, as `peer` in its state.

    To a client that asks for it, it says once a second that an answer is being made (102 Processing, RFC 2518 section 10.1): so
    the web interface tells an agent that hangs from one that needs long.
    """

    _beat: asyncio.TimerHandle | None = None

    def __init__(self, limits: ApiLimits, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.headers_seconds = limits.headers_seconds

    def data_received(self, data: bytes) -> None:
        """Tell the client that its request has come."""
        super().data_received(data)
        if self._beat is None and self.cycle is not None and any(name == HEARTBEAT for name, _ in self.headers):
            self._say_alive()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say nothing more."""
        if self._beat is not None:
            self._beat.cancel()
        super().connection_lost(exc)

    def _gone(self) -> bool:
        return self.cycle.disconnected or self.transport.is_closing()

    def _say_alive(self) -> None:
        self._beat = None
        if self.cycle.response_started or self._gone():
            return
        alive = h11.InformationalResponse(status_code=102, headers=[], reason=b"Processing")
        self.transport.write(self.conn.send(alive) or b"")
        self._beat = self.loop.call_later(HEARTBEAT_SECONDS, self._say_alive)

    def state(self, transport: asyncio.Transport) -> dict[str, Any]:
        """Return whose process it is, and what tells whether it has gone."""
        return {"peer": _uid(transport.get_extra_info("socket")), "gone": self._gone}

    def malformed(self) -> tuple[str, bytes]:
        """Return a problem (RFC 9457) without the address and the person, which are unknown."""
        error = BadRequest("it is no HTTP/1.1, or its first line and headers are too long")
        return problems.MEDIA_TYPE, json.dumps(problems.details_of(error)).encode()


def user_of(connection: socket.socket) -> Party:
    """Return whose connection it is: each user has places of their own, so that no process can take those of root."""
    return Party(PROCESSES, _uid(connection))


def _uid(connection: socket.socket) -> int:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return int(CREDENTIALS.unpack(raw)[1])
