"""Connections to the database: sqlite3 for queries, sqlite-utils over it for tables, upserts and migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from agent.errors.store import RowDamaged
from agent.store.schema import KEYS, check
from agent.system.obstacles import in_place_of_file
from agent.system.paths import database_uri

if TYPE_CHECKING:
    from sqlite_utils import Database
    from sqlite_utils.db import Table

BUSY_SECONDS = 10
T = TypeVar("T")
Row = dict[str, Any]
UNDECODABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
"""What decoding raises for a text that is no JSON, an unknown word, an instant without a time zone, a missing value."""
REPLACED = "\ufffd"
LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class DamagedRow:
    """A row that can't be decoded."""

    table: str
    key: tuple[Any, ...]
    """Values of the columns of `KEYS`."""
    reason: str

    @property
    def name(self) -> str:
        """Its key, for people."""
        return shortened("/".join(map(str, self.key)))


class Connection(sqlite3.Connection):
    """A connection on which every statement outside of a transaction is one of its own.

    sqlite-utils is imported when a table is first asked for: that alone takes longer than a whole ``chainwright status`` may.
    """

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False, several_threads: bool = False) -> Self:
        """Open a database that is there. `several_threads`: which take turns. Raises `sqlite3.Error`."""
        if kind := in_place_of_file(path):  # SQLite would wait for who writes to a pipe
            raise sqlite3.OperationalError(f"there is {kind} in its place")
        return sqlite3.connect(
            database_uri(str(path), read_only=read_only),
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=not several_threads,
            factory=cls,
        )

    @classmethod
    def in_memory(cls) -> Self:
        """Open a database that is gone with the connection."""
        return sqlite3.connect(":memory:", isolation_level=None, factory=cls)

    @cached_property
    def sqlite_utils(self) -> Database:
        """The same connection, wrapped by sqlite-utils."""
        from sqlite_utils import Database

        # Plugins of sqlite-utils are other people's code: they have no business in a daemon that runs as root.
        return Database(self, execute_plugins=False)

    @cached_property
    def damaged(self) -> dict[tuple[str, tuple[Any, ...]], DamagedRow]:
        """Rows that could not be decoded when they were read on this connection, by table and key."""
        return {}

    def has_damaged(self, table: str) -> bool:
        """Whether a row of a table could not be decoded when it was read last."""
        return any(each.table == table for each in self.damaged.values())

    def decoded(
        self,
        table: str,
        decode: Callable[[Row], T],
        sql: str,
        parameters: Sequence[Any] = (),
        otherwise: Callable[[Row], T] | None = None,
    ) -> list[T]:
        """Return the decoded rows of a query on `table`, without those that can't be decoded: they are in `damaged`.

        The query has the columns of the table's key. `otherwise` returns what is left of a row that must not be left out.
        """
        found = []
        for row in self._rows(sql, parameters):
            try:
                _check(table, row)
                found.append(decode(row))
            except UNDECODABLE as error:
                self._note(table, row, error)
                if otherwise is not None:
                    found.append(otherwise(row))
        return found

    def checked(self, table: str, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        """Return the rows of a query on `table` whose values are used as they are. Raises `RowDamaged`.

        The query has the columns of the table's key. For one subject, whose row must not be taken for one that isn't there.
        """
        rows = self._rows(sql, parameters)
        for row in rows:
            try:
                _check(table, row)
            except ValueError as error:
                self._note(table, row, error)
                raise self.refusal(table, tuple(row.get(column) for column in KEYS[table]), error) from error
        return rows

    def refusal(self, table: str, key: tuple[Any, ...], error: Exception) -> RowDamaged:
        """Return the error that names a row which can't be read."""
        self.damaged[table, key] = damaged = DamagedRow(table, key, _reason(error))
        return RowDamaged(self.path, table, damaged.name, damaged.reason.rstrip("."))

    def _rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[Row]:
        try:
            return list(self.query(sql, parameters))
        except sqlite3.OperationalError as error:
            if "decode to UTF-8" not in str(error):
                raise
        return self.raw(sql, parameters)

    def raw(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        """Return rows whose texts may be no UTF-8: then they are marked with `REPLACED`."""
        self.text_factory = partial(str, encoding="utf-8", errors="replace")
        try:
            rows = list(self.query(sql, parameters))
        finally:
            self.text_factory = str
        return [row | {REPLACED: any(REPLACED in str(each) for each in row.values())} for row in rows]

    def _note(self, table: str, row: Row, error: Exception) -> None:
        key = tuple(row.get(column) for column in KEYS[table])
        self.damaged[table, key] = DamagedRow(table, key, _reason(error))

    @cached_property
    def path(self) -> str:
        """Where the database is."""
        return str(self.execute("PRAGMA database_list").fetchone()[2])

    def table(self, name: str) -> Table:
        """Return a table, for inserts and upserts of whole rows."""
        return self.sqlite_utils.table(name)

    def query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Iterator[dict[str, Any]]:
        """Execute a query and return its rows by the names of their columns."""
        cursor = self.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return (dict(zip(names, row, strict=True)) for row in cursor)


def shortened(text: str) -> str:
    """Return the beginning of a text that a damaged row has, and that may be of any length."""
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."


def _check(table: str, row: Row) -> None:
    if row.get(REPLACED):
        raise ValueError("it is not UTF-8")
    check(table, row)


def _reason(error: Exception) -> str:
    from agent.errors.wording import reason_of

    return shortened(reason_of(error))
