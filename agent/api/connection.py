"""A connection to the local API: it knows the user whose process is at the other end."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any

from agent.api import problems
from agent.api.connection_limit import Party
from agent.api.limits import ApiLimits
from agent.api.uvicorn_server import HttpConnection
from agent.errors.api import BadRequest

CREDENTIALS = struct.Struct("3i")
"""`struct ucred` of unix(7): pid, uid, gid."""
PROCESSES = "processes"
"""The pool of all connections."""


class ApiConnection(HttpConnection):
    """Tells each request the uid of the process at the other end, as `peer` in its state."""

    def __init__(self, limits: ApiLimits, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.headers_seconds = limits.headers_seconds

    def state(self, transport: asyncio.Transport) -> dict[str, Any]:
        """Return whose process it is."""
        return {"peer": _uid(transport.get_extra_info("socket"))}

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
