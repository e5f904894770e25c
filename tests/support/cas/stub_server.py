"""The HTTP of the stub CA: keeps connections open as CAs do, and breaks them when a test wants it."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any

ERROR = "urn:ietf:params:acme:error:"
AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER with which closing sends a RST."""


@dataclass(frozen=True)
class Reply:
    """What is answered. As a test's script it replaces the usual answer."""

    status: int = 200
    problem: str = ""
    """Type of a problem document, without the prefix."""
    detail: str = "as the test says"
    more: Mapping[str, Any] = field(default_factory=dict)
    """More members of the problem document."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Mapping[str, Any] = b""
    carried_out: bool = False
    """What was asked is done all the same."""
    lost: bool = False
    """There is no answer, the connection breaks."""
    before: Callable[[], object] | None = None
    """Called first, may wait for something."""
    pieces: Callable[[], Iterable[bytes]] | None = None
    """What is written on the wire in the place of everything else, piece by piece until the client is gone."""

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.content())
        return found

    def content(self) -> bytes:
        if self.problem:
            document = {"type": ERROR + self.problem, "detail": self.detail, "status": self.status, **self.more}
            return json.dumps(document).encode()
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Respond = Callable[[str, str, Mapping[str, str], bytes], Reply]


class StubServer:
    """Listens on one port, also after it was stopped and started again."""

    def __init__(self, respond: Respond, clock: Callable[[], datetime], tls: SSLContext | None) -> None:
        """`respond` gets method, path, headers and body."""
        self.respond = respond
        self.clock = clock
        self.scheme = "https" if tls else "http"
        self.connections: set[socket.socket] = set()
        self._tls = tls
        self.port = 0
        self.start()

    def start(self) -> None:
        self._server = _Listener(self, self.port, self._tls)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and break every connection."""
        self._server.shutdown()
        self._thread.join(20)
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, stub: StubServer, port: int, tls: SSLContext | None) -> None:
        self.stub = stub
        super().__init__(("127.0.0.1", port), _Handler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is nothing to speak of."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def setup(self) -> None:
        super().setup()
        self.server.stub.connections.add(self.connection)

    def finish(self) -> None:
        self.server.stub.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reply = self.server.stub.respond(self.command, self.path, dict(self.headers), content)
        if reply.lost:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            self.close_connection = True
            return
        if reply.pieces:
            self.write_pieces(reply.pieces())
            return
        self.send_response_only(reply.status)
        self.send_header("Date", format_datetime(self.server.stub.clock(), usegmt=True))
        body = reply.content()
        for name, text in {"Content-Length": str(len(body)), **reply.headers}.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def write_pieces(self, pieces: Iterable[bytes]) -> None:
        self.close_connection = True
        with suppress(OSError):
            for piece in pieces:
                self.wfile.write(piece)

    do_GET = do_POST = do_HEAD = answer  # noqa: N815

    def log_message(self, *_args: Any) -> None:
        """Nobody reads it."""
