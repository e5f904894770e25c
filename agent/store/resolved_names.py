"""Host names that modules need addresses of: what they were resolved to, and when they are asked for again."""

from __future__ import annotations

from collections.abc import Iterable

from agent.model.resolved import ResolvedName, name_of_row, row_of_name
from agent.store.connection import Connection


class ResolvedNames:
    """The table `resolved_names`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def all(self) -> list[ResolvedName]:
        """Return what is known, sorted."""
        query = "select * from resolved_names order by module, name"
        return self._database.decoded("resolved_names", name_of_row, query)

    def put(self, names: Iterable[ResolvedName]) -> None:
        """Keep what is known of names, in place of what was known before."""
        rows = [row_of_name(each) for each in names]
        self._database.table("resolved_names").upsert_all(rows, pk=("module", "name"))

    def forget(self, names: Iterable[ResolvedName]) -> None:
        """Drop names that nobody needs any more."""
        keys = [(each.module, each.name) for each in names]
        self._database.executemany("delete from resolved_names where module = ? and name = ?", keys)
