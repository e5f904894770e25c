"""A new database is what the migrations make of an empty one. ``GOLDEN=write pytest`` writes the SQL for it."""

import os
import re

from agent.store.connection import Connection
from agent.store.made_schema import BETWEEN, SQL, make_new
from agent.store.migrations import migrations

MADE = "select type, name, sql from sqlite_master where name not like 'sqlite_%' order by type, name"
STEPS = "select migration_set, name from _sqlite_migrations order by id"
IN_ORDER = (
    "select sql from sqlite_master where sql is not null and name not like 'sqlite_%' order by type = 'trigger', rowid"
)
CHANGED = "a migration has changed the schema: GOLDEN=write pytest tests/store/test_made_schema.py"


def test_what_an_empty_database_is_made_of_is_what_the_migrations_make():
    step_by_step = Connection.in_memory()
    migrations.apply(step_by_step.sqlite_utils)
    if os.environ.get("GOLDEN") == "write":
        SQL.write_text(BETWEEN.join(sql for (sql,) in step_by_step.execute(IN_ORDER)) + "\n")
    at_once = Connection.in_memory()
    make_new(at_once)
    assert shape(at_once) == shape(step_by_step), CHANGED
    assert at_once.execute(STEPS).fetchall() == step_by_step.execute(STEPS).fetchall()
    assert not migrations.pending(at_once.sqlite_utils)
    step_by_step.close()
    at_once.close()


def test_no_statement_is_lost_between_two_others():
    at_once = Connection.in_memory()
    make_new(at_once)
    assert len(at_once.execute(MADE).fetchall()) == len(SQL.read_text().split(BETWEEN))
    at_once.close()


def shape(database):
    """Return what is in it; how SQLite quotes and spaces a table that was altered depends on its version."""
    columns = {
        name: database.execute(f"pragma table_xinfo('{name}')").fetchall() for _, name, _ in database.execute(MADE)
    }
    return [(*each, re.sub(r'[\s"\[\]]', "", sql)) for *each, sql in database.execute(MADE)], columns
