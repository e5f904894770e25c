"""Footprints of modules and services that are in service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from agent.model.footprint import ModuleFootprint, ServiceFootprint
from agent.store.connection import Connection

T = TypeVar("T")


class Footprints:
    """The table `footprints`, by owner: ``module:NAME`` or ``service:NAME``."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def module(self, name: str) -> ModuleFootprint | None:
        """Return what a module has to do with others."""
        return self._read(f"module:{name}", ModuleFootprint.from_json)

    def service(self, name: str) -> ServiceFootprint | None:
        """Return how a service is told that no module is left."""
        return self._read(f"service:{name}", ServiceFootprint.from_json)

    def owners(self) -> set[str]:
        """Return everyone who has a footprint."""
        query = "select owner from footprints"
        return set(self._database.decoded("footprints", lambda row: str(row["owner"]), query))

    def put_module(self, name: str, footprint: ModuleFootprint) -> None:
        """Keep a module's."""
        self._put(f"module:{name}", json.dumps(footprint.to_json()))

    def put_service(self, name: str, footprint: ServiceFootprint) -> None:
        """Keep a service's."""
        self._put(f"service:{name}", json.dumps(footprint.to_json()))

    def put_former(self, name: str, footprint: ServiceFootprint) -> None:
        """Keep that of a service whose entries another instance has now."""
        self._put(f"former:{name}", json.dumps(footprint.to_json()))

    def all_former(self) -> dict[str, ServiceFootprint]:
        """Return the footprints of earlier instances, by service."""
        names = [owner.partition(":")[2] for owner in self.owners() if owner.startswith("former:")]
        found = {name: self._read(f"former:{name}", ServiceFootprint.from_json) for name in sorted(names)}
        return {name: each for name, each in found.items() if each}

    def drop_former(self, name: str) -> None:
        """Forget an earlier instance that has ended."""
        self._database.execute("delete from footprints where owner = ?", [f"former:{name}"])

    def drop_module(self, name: str) -> None:
        """Forget a module that was taken out."""
        self._database.execute("delete from footprints where owner = ?", [f"module:{name}"])

    def _put(self, owner: str, text: str) -> None:
        self._database.table("footprints").upsert({"owner": owner, "footprint": text}, pk="owner")

    def read_all(self) -> None:
        """Decode every footprint."""
        for owner in self.owners():
            kind, _, name = owner.partition(":")
            if kind == "module":
                self.module(name)
            else:
                self._read(owner, ServiceFootprint.from_json)

    def _read(self, owner: str, made: Callable[[Any], T]) -> T | None:
        query = "select owner, footprint from footprints where owner = ?"
        found = self._database.decoded("footprints", lambda row: made(json.loads(row["footprint"])), query, [owner])
        return next(iter(found), None)
