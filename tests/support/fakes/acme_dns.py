"""An acme-dns server's API over a zone of `named`: registrations, and the last two values of each, as version 1.1 has it.

There is no package of the real one. What it answers is taken from its source.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.servers.bind9 import Bind9

VALUE = 43
"""Characters of a challenge's answer."""
KEPT = 2


class AcmeDnsServer:
    """A server for one zone, ``http://127.0.0.1:PORT``."""

    def __init__(self, named: Bind9, zone: str) -> None:
        self._named, self._zone = named, zone
        self._registered: dict[str, dict[str, Any]] = {}
        self._values: dict[str, deque[str]] = {}
        self.broken = False
        """Whether its database is."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, headers: Any, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == "/register":
            return 201, self._register(body)
        found = self._registered.get(headers.get("X-Api-User", ""))
        if path != "/update":
            return 404, {}
        if not found or (headers.get("X-Api-Key"), body.get("subdomain")) != (found["password"], found["subdomain"]):
            return 401, {"error": "forbidden"}
        if len(body.get("txt", "")) != VALUE:
            return 400, {"error": "bad_txt"}
        if self.broken:
            return 500, {"error": "db_error"}
        self._publish(found["fulldomain"], body["txt"])
        return 200, {"txt": body["txt"]}

    def _register(self, body: dict[str, Any]) -> dict[str, Any]:
        subdomain = str(uuid.uuid4())
        made = {
            "username": str(uuid.uuid4()),
            "password": uuid.uuid4().hex + "12345678",
            "fulldomain": f"{subdomain}.{self._zone}",
            "subdomain": subdomain,
            "allowfrom": body.get("allowfrom", []),
        }
        self._registered[made["username"]] = made
        return made

    def _publish(self, name: str, value: str) -> None:
        values = self._values.setdefault(name, deque(maxlen=KEPT))
        values.append(value)
        self._named.update(
            self._zone, ("delete", name, "TXT"), *(("add", name, "TXT", f'"{each}"') for each in set(values))
        )


def _handler(server: AcmeDnsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            status, answer = server.answer(self.path, self.headers, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            pass

    return Handler
