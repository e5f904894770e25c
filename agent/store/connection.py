"""Connections to the database: sqlite3 for queries, sqlite-utils over it for tables, upserts and migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from agent.system.paths import database_uri

if TYPE_CHECKING:
    from sqlite_utils import Database
    from sqlite_utils.db import Table

BUSY_SECONDS = 10


class Connection(sqlite3.Connection):
    """A connection on which every statement outside of a transaction is one of its own.

    sqlite-utils is imported when a table is first asked for: that alone takes longer than a whole ``chainwright status`` may.
    """

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False, several_threads: bool = False) -> Self:
        """Open a database that is there. `several_threads`: which take turns. Raises `sqlite3.Error`."""
        return sqlite3.connect(
            database_uri(str(path), read_only=read_only),
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=not several_threads,
            factory=cls,
        )

    @cached_property
    def sqlite_utils(self) -> Database:
        """The same connection, wrapped by sqlite-utils."""
        from sqlite_utils import Database

        # Plugins of sqlite-utils are other people's code: they have no business in a daemon that runs as root.
        return Database(self, execute_plugins=False)

    def table(self, name: str) -> Table:
        """Return a table, for inserts and upserts of whole rows."""
        return self.sqlite_utils.table(name)

    def query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Iterator[dict[str, Any]]:
        """Execute a query and return its rows by the names of their columns."""
        cursor = self.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return (dict(zip(names, row, strict=True)) for row in cursor)
