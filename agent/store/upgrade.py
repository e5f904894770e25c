"""Schema of a database that is opened: brought up to date, and made again where somebody has dropped a part of it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from agent.errors.store import DatabaseTooNew, TablesLost
from agent.store.connection import Connection

FINGERPRINT = "schema"
"""What is kept in `meta`: of the schema that was found whole."""
LOST = "tables made again"
"""The same: tables that were missing and were made again, for the next check to tell."""
KEEP = "insert into meta (key, value) values (?, ?) on conflict (key) do update set value = excluded.value"


@contextmanager
def transaction(database: Connection) -> Iterator[None]:
    """Make what happens inside one transaction."""
    database.execute("BEGIN IMMEDIATE")  # a deferred one that reads first fails at once beside another writer
    try:
        yield
        database.commit()
    except BaseException:
        database.rollback()
        raise


Guard = Callable[[], AbstractContextManager[None]]
"""What is done before, and holds while, a database that has something in it is changed."""


def bring_up_to_date(database: Connection, path: Path, guard: Guard = nullcontext) -> None:
    """Take the steps that are left, and make again what was dropped. Raises `DatabaseTooNew`, `TablesLost`, `sqlite3.Error`."""
    _migrate(database, path, guard)
    if _fingerprint(database) != _known(database):
        _repair(database, path)


def is_up_to_date(database: Connection) -> bool:
    """Whether no step is left."""
    from agent.store.migrations import migrations

    return not migrations.pending(database.sqlite_utils)


def unknown_steps(names: Iterable[str]) -> list[str]:
    """Return those of the steps that have made a database which are of a later release, sorted."""
    from agent.store import migrations

    return sorted(name for name in names if name not in vars(migrations))


def _migrate(database: Connection, path: Path, guard: Guard) -> None:
    from agent.store.migrations import migrations

    if unknown := unknown_steps(step.name for step in migrations.applied(database.sqlite_utils)):
        raise DatabaseTooNew(str(path), ", ".join(unknown))
    if not migrations.pending(database.sqlite_utils):
        return
    try:
        with guard() if migrations.applied(database.sqlite_utils) else nullcontext(), transaction(database):
            _take_steps(database)  # those that are left now: another process may have been at it
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_ERROR:
            raise
        _note_steps(database, path, error)


def _take_steps(database: Connection) -> None:
    """Take the steps that are left; a database with nothing in it is made at once, in a tenth of the time."""
    from agent.store.made_schema import make_new
    from agent.store.migrations import migrations

    if database.execute("select 1 from sqlite_master").fetchone() is None:
        make_new(database)
    else:
        migrations.apply(database.sqlite_utils)


def _note_steps(database: Connection, path: Path, error: sqlite3.Error) -> None:
    """Note the steps as taken where they were: what says so was lost. Raises `TablesLost`."""
    from agent.store.made_schema import expected_schema
    from agent.store.schema_repair import MIGRATIONS, Schema, loss_of, note_steps

    if loss_of(expected_schema(), Schema.of(database)).lost:
        raise TablesLost(str(path), MIGRATIONS) from error
    with transaction(database):
        note_steps(database)


def _repair(database: Connection, path: Path) -> None:
    from agent.store.made_schema import expected_schema
    from agent.store.schema_repair import Schema, loss_of, make_again

    expected = expected_schema()
    loss = loss_of(expected, Schema.of(database))
    if loss.lost:
        raise TablesLost(str(path), ", ".join(loss.lost))
    with transaction(database):
        if loss:
            make_again(database, expected, loss.again)
        if loss.again:
            database.execute(KEEP, [LOST, ", ".join(loss.again)])
        database.execute(KEEP, [FINGERPRINT, _fingerprint(database)])


def _fingerprint(database: Connection) -> str:
    rows = database.execute("select type, name, sql from sqlite_master order by type, name").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _known(database: Connection) -> str | None:
    try:
        row = database.execute("select value from meta where key = ?", [FINGERPRINT]).fetchone()
    except sqlite3.OperationalError:  # the table itself was dropped
        return None
    return row[0] if row else None
