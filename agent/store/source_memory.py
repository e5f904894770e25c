"""Key-value memory of sources beyond one order: accounts, directories, windows. Sealed like keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agent.store.connection import Connection
from agent.store.sealing import Sealer
from agent.store.values import mapping

WRITE = (
    "insert into memories (source, key, sealed_state) values (?, ?, ?)"
    " on conflict (source, key) do update set sealed_state = excluded.sealed_state"
)


class Memories:
    """The table `memories`."""

    def __init__(self, database: Connection, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def read(self, source: str, key: str) -> dict[str, Any]:
        """Return what was written last; empty at first, and where the row is damaged: it's asked for or made again."""
        query = "select source, key, sealed_state from memories where source = ? and key = ?"
        found = self._database.decoded("memories", lambda row: self._opened(row, source, key), query, [source, key])
        return next(iter(found), {})

    def sources_with(self, key: str) -> list[str]:
        """Return the sources that have written something by `key`, also those that are no longer in the settings."""
        rows = self._database.execute("select source from memories where key = ? order by source", [key])
        return [row[0] for row in rows.fetchall()]

    def _opened(self, row: Mapping[str, Any], source: str, key: str) -> dict[str, Any]:
        return mapping(self._sealer.open_value(row["sealed_state"], _context(source, key)).decode())

    def write(self, source: str, key: str, state: Mapping[str, Any]) -> None:
        """Keep `state`; an empty one is forgotten."""
        if state:
            sealed = self._sealer.seal(json.dumps(dict(state)).encode(), _context(source, key))
            self._database.execute(WRITE, [source, key, sealed])
        else:
            self._database.execute("delete from memories where source = ? and key = ?", [source, key])


def _context(source: str, key: str) -> str:
    return f"memory of {source}: {key}"
