"""What is in place of the store's files, and what was dropped in the database: named or made again, never an unexpected error."""

from __future__ import annotations

import os
import shutil
import sqlite3

import pytest

from agent.cli.program import run
from agent.errors.store import TablesLost
from agent.store.schema import COLUMNS, MADE_AGAIN, PEOPLES
from agent.store.schema_repair import MIGRATIONS, Schema, expected_schema
from support.appliances.api import NAME
from support.appliances.deployed import served
from support.told import told

COMMANDS = (("status",), ("plan",), ("explain", "tunnel", "default"), ("events",), ("apply", "--timeout", "5"))
KEPT = sorted(set(COLUMNS) - (MADE_AGAIN - PEOPLES))


def printed(appliance, capsys, *command: str) -> tuple[int, str]:
    code = run("chainwright", [*command, "--root", str(appliance.root)])
    shown = capsys.readouterr()
    assert "unexpected error" not in shown.err, shown.err
    return code, shown.err


def change(appliance, *statements: str) -> None:
    database = sqlite3.connect(appliance.layout.database)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


def schema(appliance) -> Schema:
    database = sqlite3.connect(appliance.layout.database)
    try:
        return Schema.of(database)
    finally:
        database.close()


@pytest.mark.parametrize("table", sorted(MADE_AGAIN - PEOPLES))
def test_a_dropped_table_whose_rows_are_made_again_is_made_again(tunnel, table, capsys):
    serving = served(tunnel.port, NAME)
    change(tunnel, f"drop table {table}")
    for command in COMMANDS:
        printed(tunnel, capsys, *command)
    tunnel.apply()
    assert schema(tunnel).columns == expected_schema().columns
    assert set(expected_schema().objects) <= set(schema(tunnel).objects)
    assert served(tunnel.port, NAME) == serving
    with tunnel.store() as store:
        assert len(store.roots.all()) == 1


@pytest.mark.parametrize(
    "statements",
    [
        ("drop table events", "create view events as select 1 as id"),
        ("alter table watches drop column renew_at",),
        ("drop table watches", "create table watches (something text)"),
        ("drop index idx_events_job",),
        ("drop trigger chains_update",),
        (f"drop table {MIGRATIONS}",),
        (f"delete from {MIGRATIONS} where name > 'm005'",),
        ("delete from meta",),
        ("update meta set value = 'x'",),
        ("update meta set value = x'00ff'",),
        ("drop table meta",),
    ],
    ids=" ".join,
)
def test_what_was_dropped_or_replaced_is_made_again(tunnel, statements, capsys):
    serving = served(tunnel.port, NAME)
    change(tunnel, *statements)
    for command in COMMANDS:
        printed(tunnel, capsys, *command)
    tunnel.apply()
    assert schema(tunnel).columns == expected_schema().columns
    assert set(expected_schema().objects) <= set(schema(tunnel).objects)
    assert served(tunnel.port, NAME) == serving
    with tunnel.store() as store:
        assert len(store.roots.all()) == 1
    tunnel.apply()
    assert told(tunnel) == []


def in_place_of(path, kind: str) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/full")
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    elif kind == "socket":
        path.symlink_to("/dev/log")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "garbage":
        path.write_bytes(os.urandom(100_000))
    elif kind == "zeros":
        path.write_bytes(bytes(100_000))


KINDS = ("directory", "pipe", "device", "dangling link", "empty", "garbage", "zeros")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["chainwright.db", "chainwright.db-wal", "chainwright.db-shm", "master.key"])
def test_what_is_in_place_of_a_file_is_named(tunnel, name, kind, capsys):
    serving = served(tunnel.port, NAME)
    path = tunnel.layout.private / name
    in_place_of(path, kind)
    for command in COMMANDS:
        code, shown = printed(tunnel, capsys, *command)
        assert code in {0, 3} or str(path) in shown, shown
    assert served(tunnel.port, NAME) == serving


@pytest.mark.parametrize("table", KEPT)
def test_a_dropped_table_that_nothing_makes_again_is_named(tunnel, table, capsys):
    serving = served(tunnel.port, NAME)
    change(tunnel, f"drop table {table}")
    code, shown = printed(tunnel, capsys, "plan")
    assert (code, table in shown) == (1, True)
    with pytest.raises(TablesLost):
        tunnel.store()
    assert served(tunnel.port, NAME) == serving
