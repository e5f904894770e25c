"""A database as an earlier version has left it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from agent.system.layout import Layout

NEWEST = "m025_rows_set_aside"
"""The step of the schema that is undone."""


def make_old(layout: Layout) -> None:
    """Have a database as the version before had it."""
    with closing(sqlite3.connect(layout.database)) as database, database:
        database.execute("drop table rows_set_aside")
        database.execute("delete from _sqlite_migrations where name = ?", [NEWEST])
