"""Pins: uploaded chains that a person has chosen for needs."""

from __future__ import annotations

from typing import Any

from agent.model.pin import Pin
from agent.store.connection import Connection
from agent.store.instants import read_known, written


class Pins:
    """The table `pins`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def put(self, pin: Pin) -> None:
        """Keep a pin, in place of the last one of its need."""
        self._database.execute(
            "insert or replace into pins (module, slot, chain, who, at) values (?, ?, ?, ?, ?)",
            [pin.module, pin.slot, pin.chain, pin.who, written(pin.at)],
        )

    def delete(self, pin: Pin) -> None:
        """Forget a pin."""
        self._database.execute("delete from pins where module = ? and slot = ?", [*pin.key])

    def all(self) -> list[Pin]:
        """Return every pin, by module and slot."""
        query = "select module, slot, chain, who, at from pins order by module, slot"
        return self._database.decoded("pins", _pin, query)


def _pin(row: dict[str, Any]) -> Pin:
    return Pin(row["module"], row["slot"], row["chain"], row["who"], read_known(row["at"]))
