"""What can still be read of a damaged database: all of its rows, or all but those of tables that a pass fills again."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.store.connection import Connection
from agent.store.looking import copied
from agent.store.schema import MADE_AGAIN, PEOPLES


@contextmanager
def without_unreadable(damaged: Path) -> Iterator[tuple[Path, list[str]] | None]:
    """Give a copy that lacks the tables which can't be read, where their rows are made again, and their names.

    It lacks what is no file in place of the log as well, which SQLite would not pass over. None: not even the schema
    can be read, or there is no place for a copy.
    """
    with contextlib.ExitStack() as opened:
        try:
            copy = opened.enter_context(copied(damaged))
            found = copy, _take_out_unreadable(copy)
        except sqlite3.Error:
            yield None
            return
        yield found


def _take_out_unreadable(copy: Path) -> list[str]:
    """Take them out of the schema: what is made of the rest has none of their pages. Opening it makes them again, empty."""
    _take_out(copy, "type = 'index' and sql is not null")  # each is made again of its table's rows
    database = Connection.open(copy)
    try:
        found = [table for table in sorted(MADE_AGAIN - PEOPLES) if not _can_be_read(database, table)]
    finally:
        database.close()
    for table in found:
        _take_out(copy, "tbl_name = ?", table)
    return found


def _take_out(copy: Path, where: str, *values: str) -> None:
    """Each time by a connection of its own: one that has read the schema goes on with what was in it."""
    database = Connection.open(copy)
    try:
        database.execute("PRAGMA writable_schema=on")
        database.execute(f"delete from sqlite_schema where {where}", values)  # noqa: S608 - this file's own words
    finally:
        database.close()


def _can_be_read(database: Connection, table: str) -> bool:
    try:
        return database.execute(f"PRAGMA quick_check({table})").fetchall() == [("ok",)]
    except sqlite3.DatabaseError:
        return False
