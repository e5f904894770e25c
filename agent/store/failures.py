"""Failures of SQLite as errors of the store: what each means, and what helps. A backup is a cure for damage only."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from agent.errors.store import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseRefused,
    DatabaseUnreadable,
)
from agent.store.full_disk import PRIMARY, is_for_lack_of_room, is_read_only
from agent.store.schema import COLUMNS
from agent.system.layout import Layout
from agent.system.obstacles import dangling_link, in_place_of_file

BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
"""Primary codes for "another connection is at it"; `SQLITE_BUSY_SNAPSHOT` is one of `SQLITE_BUSY`."""
KINDS: Mapping[int, type[DatabaseRefused]] = {
    sqlite3.SQLITE_CORRUPT: DatabaseDamaged,
    sqlite3.SQLITE_NOTADB: DatabaseDamaged,
    sqlite3.SQLITE_FORMAT: DatabaseDamaged,
    sqlite3.SQLITE_READONLY: DatabaseReadOnly,
    sqlite3.SQLITE_PERM: DatabaseReadOnly,
    sqlite3.SQLITE_IOERR: DatabaseUnreadable,
}
"""By primary result code (https://www.sqlite.org/rescode.html); all others are `DatabaseRefused` itself."""


UNWRITABLE = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM})
"""What SQLite says on a file system that is mounted read-only: it can't make its log."""
MISTAKES = frozenset(
    {sqlite3.SQLITE_OK, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE}
)
"""Codes of a statement that is wrong, which is a mistake of the program."""
MISSING = re.compile(r"no such (table|column): (?:main\.)?(\w+)")


@contextmanager
def translated(layout: Layout) -> Iterator[None]:
    """Raise what SQLite raises as `DatabaseRefused` or one of its kinds."""
    try:
        yield
    except sqlite3.Error as error:
        raise refusal(error, layout) from error


def refusal(error: sqlite3.Error, layout: Layout) -> DatabaseRefused:
    """Return the error of the store that a failure of SQLite is."""
    path, reason = str(layout.database), str(error)
    code = getattr(error, "sqlite_errorcode", 0) & PRIMARY
    if code in BUSY:
        return DatabaseBusy(path, reason, _holder(layout))
    if is_for_lack_of_room(error, layout.database):
        return DatabaseFull(path, reason)
    if code in UNWRITABLE and is_read_only(layout.database.parent):
        return DatabaseReadOnly(path, "its file system is mounted read-only")
    if _is_of_the_schema(error):
        return DatabaseDamaged(path, reason)
    return KINDS.get(code, DatabaseRefused)(path, reason)


def is_of_the_file(error: sqlite3.Error) -> bool:
    """Whether it says something of the database, and not of the statement."""
    return getattr(error, "sqlite_errorcode", 0) & PRIMARY not in MISTAKES or _is_of_the_schema(error)


def _is_of_the_schema(error: sqlite3.Error) -> bool:
    """Whether a table or a column isn't there that every version has which opens the database."""
    missing = MISSING.search(str(error)) if isinstance(error, sqlite3.OperationalError) else None
    return missing is not None and (missing[1] != "table" or missing[2] in COLUMNS)


def look_at_files(layout: Layout) -> None:
    """Raise `DatabaseDamaged` where something else is in place of a file: SQLite would wait for who writes to a pipe.

    Raises `StateUnwritable` for a database that is a link which leads nowhere: what it leads to may not be mounted yet, and a
    copy of another time must not take its place. SQLite follows no link to a log.
    """
    for file in files_of(layout.database):
        if kind := in_place_of_file(file):
            raise DatabaseDamaged(str(file), f"there is {kind} in its place")
        if found := dangling_link(file):
            raise found.error if file == layout.database else DatabaseDamaged(str(file), found.reason)


def files_of(database: Path) -> list[Path]:
    """Return the database and what SQLite has beside it."""
    return [database, *(database.with_name(f"{database.name}-{each}") for each in ("wal", "shm", "journal"))]


def _holder(layout: Layout) -> str:
    """Return which process makes a pass or a change: SQLite doesn't tell who writes. Empty: nobody else does."""
    from agent.system.lock import holder_of

    found = holder_of(layout.lock)
    return found.title if found is not None and found.pid != os.getpid() else ""
