"""Damaged rows that were taken out of their tables, kept for people to look at."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.store.connection import Connection, DamagedRow
from agent.store.instants import read_known, written
from agent.store.schema import KEYS

KEPT = 200
"""Rows; the oldest go."""
MOST_TEXT = 2_000
"""Characters of each value that are kept: enough to see what it was."""


@dataclass(frozen=True, slots=True)
class RowSetAside:
    """A damaged row as it was."""

    id: int
    at: datetime
    """When it was taken out."""
    table: str
    key: str
    reason: str
    content: str
    """JSON: its columns. Bytes are hexadecimal; keys are sealed."""


class SetAside:
    """The table `rows_set_aside`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def keep(self, row: DamagedRow, contents: Iterable[str], now: datetime) -> None:
        """Keep what `contents` returned of a row; the oldest rows go."""
        for content in contents:
            self._database.execute(
                'insert into rows_set_aside (at, of_table, "key", reason, content) values (?, ?, ?, ?, ?)',
                [written(now), row.table, row.name, row.reason, content],
            )
        self._database.execute(
            "delete from rows_set_aside where id <= (select max(id) from rows_set_aside) - ?", [KEPT]
        )

    def all(self) -> list[RowSetAside]:
        """Return what is kept, the newest first."""
        query = "select * from rows_set_aside order by id desc"
        return self._database.decoded("rows_set_aside", _row, query)

    def contents(self, row: DamagedRow) -> list[str]:
        """Return a row of another table as it is now; empty where it is gone."""
        where = " and ".join(f'"{column}" is ?' for column in KEYS[row.table])
        query = f"select * from {row.table} where {where} limit 2"  # noqa: S608 - names of the schema's own
        return [json.dumps(_plain(each)) for each in self._database.raw(query, row.key)]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _short(value) for name, value in row.items()}


def _short(value: object) -> object:
    text = value.hex() if isinstance(value, bytes) else value
    return f"{text[:MOST_TEXT]}..." if isinstance(text, str) and len(text) > MOST_TEXT else text


def _row(row: dict[str, Any]) -> RowSetAside:
    at = read_known(row["at"])
    return RowSetAside(row["id"], at, row["of_table"], row["key"], row["reason"], row["content"])
