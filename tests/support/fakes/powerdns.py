"""PowerDNS' HTTP API, as much of it as writes TXT records, over a zone in memory."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "token-of-powerdns"


class PowerDns:
    """A server for zones, ``http://127.0.0.1:PORT``."""

    def __init__(self, *zones: str) -> None:
        self._zones: dict[str, dict[str, dict[str, Any]]] = {f"{zone}.": {} for zone in zones}
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

    def records(self, zone: str) -> dict[str, dict[str, Any]]:
        """Return the sets of records of a zone, by owner: ``ttl`` and values."""
        return {
            name: {"ttl": each["ttl"], "values": sorted(record["content"].strip('"') for record in each["records"])}
            for name, each in self._zones[f"{zone}."].items()
        }

    def answer(self, token: str | None, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
        zone = path.rpartition("/zones/")[2]
        if token != TOKEN:
            return 401, {"error": "Unauthorized"}
        if zone not in self._zones:
            return 404, {"error": "Not Found"}
        for each in (body or {}).get("rrsets", []):
            if each["changetype"] == "REPLACE" and each["records"]:
                self._zones[zone][each["name"]] = each
            else:
                self._zones[zone].pop(each["name"], None)
        return (204, None) if body else (200, {"name": zone, "kind": "Native", "rrsets": [*self._zones[zone].values()]})


def _handler(server: PowerDns) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = server.answer(self.headers.get("X-API-Key"), self.path, body)
            content = json.dumps(answer).encode() if answer is not None else b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PATCH = _answer  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            pass

    return Handler
