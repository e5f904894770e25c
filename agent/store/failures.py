"""Failures of SQLite as errors of the store: what each means, and what helps. A backup is a cure for damage only."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from agent.errors.store import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseRefused,
    DatabaseUnreadable,
)
from agent.store.full_disk import PRIMARY, is_for_lack_of_room
from agent.system.layout import Layout

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


MISTAKES = frozenset(
    {sqlite3.SQLITE_OK, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE}
)
"""Codes of a statement that is wrong, which is a mistake of the program."""


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
    return KINDS.get(code, DatabaseRefused)(path, reason)


def is_of_the_file(error: sqlite3.Error) -> bool:
    """Whether it says something of the database, and not of the statement."""
    return getattr(error, "sqlite_errorcode", 0) & PRIMARY not in MISTAKES


def _holder(layout: Layout) -> str:
    """Return which process makes a pass or a change: SQLite doesn't tell who writes. Empty: nobody else does."""
    from agent.system.lock import holder_of

    found = holder_of(layout.lock)
    return found.title if found is not None and found.pid != os.getpid() else ""
