"""Connections to the database: sqlite3 for queries, sqlite-utils over it for tables, upserts and migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from agent.system.paths import database_uri

if TYPE_CHECKING:
    from sqlite_utils import Database
    from sqlite_utils.db import Table

BUSY_SECONDS = 10
T = TypeVar("T")
Row = dict[str, Any]
KEYS: Mapping[str, tuple[str, ...]] = {
    "account_keys": ("thumbprint",),
    "audit_repeats": ("who", "address", "action", "subject", "detail"),
    "audits": ("id",),
    "bindings": ("module", "slot"),
    "chains": ("id",),
    "conditions": ("scope", "kind", "subject", "code"),
    "cross_certificates": ("subject", "issuer"),
    "deployments": ("module",),
    "endpoints": ("module", "key"),
    "events": ("id",),
    "failing_names": ("name", "source"),
    "footprints": ("owner",),
    "generations": ("owner", "number"),
    "jobs": ("id",),
    "ledger": ("rowid",),
    "login_failures": ("key",),
    "meta": ("key",),
    "modules": ("name",),
    "needs": ("module", "slot"),
    "orders": ("request", "source"),
    "peers": ("sha256",),
    "people": ("name",),
    "refusals": ("module", "slot", "kind", "subject"),
    "reissues": ("request",),
    "revocation_lists": ("root",),
    "revocations": ("root", "serial"),
    "roots": ("sha256",),
    "tokens": ("id",),
    "transactions": ("id",),
    "watches": ("chain",),
}
"""Columns that tell a row from the others of its table."""
UNDECODABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What decoding raises for a text that is no JSON, an unknown word, an instant without a time zone, a missing value."""
REPLACED = "\ufffd"


@dataclass(frozen=True, slots=True)
class DamagedRow:
    """A row that can't be decoded."""

    table: str
    key: tuple[Any, ...]
    """Values of the columns of `KEYS`."""
    reason: str


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
                if row.get(REPLACED):
                    raise ValueError("it is not UTF-8")
                found.append(decode(row))
            except UNDECODABLE as error:
                self._note(table, row, error)
                if otherwise is not None:
                    found.append(otherwise(row))
        return found

    def _rows(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        try:
            return list(self.query(sql, parameters))
        except sqlite3.OperationalError as error:
            if "decode to UTF-8" not in str(error):
                raise
        self.text_factory = partial(str, encoding="utf-8", errors="replace")
        try:
            rows = list(self.query(sql, parameters))
        finally:
            self.text_factory = str
        return [row | {REPLACED: any(REPLACED in str(each) for each in row.values())} for row in rows]

    def _note(self, table: str, row: Row, error: Exception) -> None:
        from agent.errors.wording import reason_of

        key = tuple(row[column] for column in KEYS[table])
        self.damaged[table, key] = DamagedRow(table, key, reason_of(error))

    def table(self, name: str) -> Table:
        """Return a table, for inserts and upserts of whole rows."""
        return self.sqlite_utils.table(name)

    def query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Iterator[dict[str, Any]]:
        """Execute a query and return its rows by the names of their columns."""
        cursor = self.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return (dict(zip(names, row, strict=True)) for row in cursor)
