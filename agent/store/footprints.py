"""Footprints of modules and services that are in service."""

from __future__ import annotations

import json

from agent.model.footprint import ModuleFootprint, ServiceFootprint
from agent.store.connection import Connection


class Footprints:
    """The table `footprints`, by owner: ``module:NAME`` or ``service:NAME``."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def module(self, name: str) -> ModuleFootprint | None:
        """Return what a module has to do with others."""
        row = self._row(f"module:{name}")
        return ModuleFootprint.from_json(json.loads(row)) if row else None

    def service(self, name: str) -> ServiceFootprint | None:
        """Return how a service is told that no module is left."""
        row = self._row(f"service:{name}")
        return ServiceFootprint.from_json(json.loads(row)) if row else None

    def owners(self) -> set[str]:
        """Return everyone who has a footprint."""
        return {row[0] for row in self._database.execute("select owner from footprints")}

    def put_module(self, name: str, footprint: ModuleFootprint) -> None:
        """Keep a module's."""
        self._put(f"module:{name}", json.dumps(footprint.to_json()))

    def put_service(self, name: str, footprint: ServiceFootprint) -> None:
        """Keep a service's."""
        self._put(f"service:{name}", json.dumps(footprint.to_json()))

    def drop_module(self, name: str) -> None:
        """Forget a module that was taken out."""
        self._database.execute("delete from footprints where owner = ?", [f"module:{name}"])

    def _put(self, owner: str, text: str) -> None:
        self._database.table("footprints").upsert({"owner": owner, "footprint": text}, pk="owner")

    def _row(self, owner: str) -> str | None:
        row = self._database.execute("select footprint from footprints where owner = ?", [owner]).fetchone()
        return row[0] if row else None
