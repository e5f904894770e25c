"""Tables, columns, indices and triggers that somebody has dropped: made again where that loses nothing, else named."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.store.connection import Connection
from agent.store.schema import MADE_AGAIN, PEOPLES

MIGRATIONS = "_sqlite_migrations"
"""The table in which sqlite-utils notes the steps that were taken."""
NOTE = f"insert into {MIGRATIONS} (migration_set, name, applied_at) values (?, ?, '1970-01-01T00:00:00+00:00')"  # noqa: S608
OBJECTS = "select name, type, sql from sqlite_master where name not like 'sqlite_%'"
COLUMNS = (
    "select tables.name, columns.name from sqlite_master as tables join pragma_table_info(tables.name) as columns"
    " where tables.type = 'table' and tables.name not like 'sqlite_%'"
)


@dataclass(frozen=True)
class Schema:
    """What is in a database."""

    objects: Mapping[str, tuple[str, str]]
    """Name -> kind (table, index, trigger, view) and its SQL."""
    columns: frozenset[tuple[str, str]]
    """Table and column."""

    @classmethod
    def of(cls, database: sqlite3.Connection) -> Schema:
        """Read it."""
        objects = {name: (kind, sql or "") for name, kind, sql in database.execute(OBJECTS)}
        return cls(objects, frozenset((table, column) for table, column in database.execute(COLUMNS)))


@dataclass(frozen=True)
class SchemaLoss:
    """What is missing."""

    again: tuple[str, ...] = ()
    """Tables that are made again, empty: a pass writes their rows again."""
    lost: tuple[str, ...] = ()
    """Tables that nothing but a copy brings back."""
    others: tuple[str, ...] = ()
    """Indices and triggers."""

    def __bool__(self) -> bool:
        return bool(self.again or self.lost or self.others)


def loss_of(expected: Schema, present: Schema) -> SchemaLoss:
    """Return what of `expected` is missing."""
    broken = {table for table, column in expected.columns if (table, column) not in present.columns}
    tables = sorted(broken - {MIGRATIONS})
    others = [
        name
        for name, (kind, _) in expected.objects.items()
        if kind != "table" and present.objects.get(name, ("", ""))[0] != kind
    ]
    empty = MADE_AGAIN - PEOPLES
    return SchemaLoss(
        tuple(each for each in tables if each in empty),
        tuple(each for each in tables if each not in empty),
        tuple(others),
    )


def make_again(database: Connection, expected: Schema, tables: Iterable[str]) -> None:
    """Make tables again, empty, and all that belongs to any table. Call in a transaction."""
    for table in tables:
        kind = Schema.of(database).objects.get(table, ("", ""))[0]
        if kind:
            database.execute(f'drop {kind} "{table}"')
        database.execute(expected.objects[table][1])
    present = Schema.of(database).objects
    for name, (kind, sql) in expected.objects.items():
        there = present.get(name, ("", ""))[0]
        if kind in {"table", there}:
            continue
        if there:
            database.execute(f'drop {there} "{name}"')
        database.execute(sql)


def note_steps(database: Connection) -> None:
    """Note every step as taken, in a database whose schema is whole. Call in a transaction."""
    from agent.store.migrations import migrations

    migrations.ensure_migrations_table(database.sqlite_utils)
    known = {each.name for each in migrations.applied(database.sqlite_utils)}
    left = [each.name for each in migrations.pending(database.sqlite_utils) if each.name not in known]
    database.executemany(NOTE, [(migrations.name, name) for name in left])
