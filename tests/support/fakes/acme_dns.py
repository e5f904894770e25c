"""An acme-dns server's API over a zone of `named`: registrations, and the last two values of each, as version 1.1 has it.

There is no package of the real one. What it answers is taken from its source.
"""

from __future__ import annotations

import uuid
from collections import deque
from typing import Any

from support.fakes.http_api import HttpApi
from support.servers.bind9 import Bind9

VALUE = 43
"""Characters of a challenge's answer."""
KEPT = 2


class AcmeDnsServer(HttpApi):
    """A server for one zone."""

    def __init__(self, named: Bind9, zone: str) -> None:
        self._named, self._zone = named, zone
        self._registered: dict[str, dict[str, Any]] = {}
        self._values: dict[str, deque[str]] = {}
        self.broken = False
        """Whether its database is."""
        super().__init__()

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
