"""Host names that modules need addresses of: what they were resolved to, and when they are asked for again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from agent.model.resolved import ResolvedName
from agent.store.connection import Connection
from agent.store.instants import read, read_known, written


class ResolvedNames:
    """The table `resolved_names`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def all(self) -> list[ResolvedName]:
        """Return what is known, sorted."""
        query = "select * from resolved_names order by module, name"
        return self._database.decoded("resolved_names", _record, query)

    def put(self, names: Iterable[ResolvedName]) -> None:
        """Keep what is known of names, in place of what was known before."""
        rows = [_row(each) for each in names]
        self._database.table("resolved_names").upsert_all(rows, pk=("module", "name"))

    def forget(self, names: Iterable[ResolvedName]) -> None:
        """Drop names that nobody needs any more."""
        keys = [(each.module, each.name) for each in names]
        self._database.executemany("delete from resolved_names where module = ? and name = ?", keys)


def _row(each: ResolvedName) -> dict[str, Any]:
    return {
        "module": each.module,
        "name": each.name,
        "asked_at": written(each.asked_at),
        "seconds": each.seconds,
        "seen": json.dumps({address: written(at) for address, at in each.seen.items()}),
        "answered_at": written(each.answered_at),
        "returns": json.dumps([written(at) for at in each.returns]),
        "words": each.words or None,
        "failing_since": written(each.failing_since),
    }


def _record(row: dict[str, Any]) -> ResolvedName:
    return ResolvedName(
        module=row["module"],
        name=row["name"],
        asked_at=read_known(row["asked_at"]),
        seconds=int(row["seconds"]),
        seen={address: read_known(at) for address, at in json.loads(row["seen"]).items()},
        answered_at=read(row["answered_at"]),
        returns=tuple(read_known(at) for at in json.loads(row["returns"])),
        words=row["words"] or "",
        failing_since=read(row["failing_since"]),
    )
