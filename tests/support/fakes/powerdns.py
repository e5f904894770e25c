"""PowerDNS' HTTP API, as much of it as writes TXT records, over a zone in memory."""

from __future__ import annotations

from typing import Any

from support.fakes.http_api import HttpApi

TOKEN = "token-of-powerdns"


class PowerDns(HttpApi):
    """A server for zones."""

    def __init__(self, *zones: str) -> None:
        self._zones: dict[str, dict[str, dict[str, Any]]] = {f"{zone}.": {} for zone in zones}
        super().__init__()

    def records(self, zone: str) -> dict[str, dict[str, Any]]:
        """Return the sets of records of a zone, by owner: ``ttl`` and values."""
        return {
            name: {"ttl": each["ttl"], "values": sorted(record["content"].strip('"') for record in each["records"])}
            for name, each in self._zones[f"{zone}."].items()
        }

    def answer(self, path: str, headers: Any, body: dict[str, Any]) -> tuple[int, Any]:
        zone = path.rpartition("/zones/")[2]
        if headers.get("X-API-Key") != TOKEN:
            return 401, {"error": "Unauthorized"}
        if zone not in self._zones:
            return 404, {"error": "Not Found"}
        for each in body.get("rrsets", []):
            if each["changetype"] == "REPLACE" and each["records"]:
                self._zones[zone][each["name"]] = each
            else:
                self._zones[zone].pop(each["name"], None)
        return (204, None) if body else (200, {"name": zone, "kind": "Native", "rrsets": [*self._zones[zone].values()]})
