"""A new database: `made_schema.sql` has all that the migrations make, in the order in which they make it."""

from __future__ import annotations

from pathlib import Path

from agent.store.connection import Connection
from agent.store.schema_repair import Schema, note_steps

SQL = Path(__file__).with_name("made_schema.sql")
BETWEEN = "\n\n"
"""What is between its statements."""


def expected_schema() -> Schema:
    """Return the schema that the migrations make."""
    made = Connection.in_memory()
    try:
        make_tables(made)
        return Schema.of(made)
    finally:
        made.close()


def make_new(database: Connection) -> None:
    """Make in an empty database what all steps, one after the other, would make. Call in a transaction."""
    make_tables(database)
    note_steps(database)


def make_tables(database: Connection) -> None:
    """Make the tables and all that belongs to them in an empty database."""
    for statement in SQL.read_text(encoding="ascii").split(BETWEEN):
        database.execute(statement)
