"""Failures of SQLite: each is told as what it is, and one who only looks waits for no writer."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from agent.errors.store import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseReadOnly,
    DatabaseRefused,
    DatabaseUnreadable,
)
from agent.store import Store
from agent.store.failures import refusal
from agent.system.layout import Layout
from support.paths import CHECKOUT
from support.processes.writing import writing

REPAIR = "chainwright repair"
HOLDER = """
import sys
from pathlib import Path
from agent.system.lock import held
from agent.system.layout import Layout
with held(Layout(Path(sys.argv[1])).lock, wait=0):
    print("held", flush=True)
    sys.stdin.read()
"""


def failure(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_BUSY, DatabaseBusy),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, DatabaseBusy),
        (sqlite3.SQLITE_BUSY_RECOVERY, DatabaseBusy),
        (sqlite3.SQLITE_LOCKED, DatabaseBusy),
        (sqlite3.SQLITE_PROTOCOL, DatabaseBusy),
        (sqlite3.SQLITE_READONLY_DIRECTORY, DatabaseReadOnly),
        (sqlite3.SQLITE_IOERR_FSYNC, DatabaseUnreadable),
        (sqlite3.SQLITE_CORRUPT_INDEX, DatabaseDamaged),
        (sqlite3.SQLITE_NOTADB, DatabaseDamaged),
        (sqlite3.SQLITE_CONSTRAINT, DatabaseRefused),
        (sqlite3.SQLITE_CANTOPEN, DatabaseRefused),
    ],
)
def test_each_failure_is_told_as_what_it_is_and_a_repair_is_for_damage_alone(
    layout: Layout, code: int, kind: type[DatabaseRefused]
) -> None:
    layout.private.mkdir(parents=True)
    found = refusal(failure(code), layout)
    assert type(found) is kind
    assert (REPAIR in str(found)) is (kind is DatabaseDamaged)


def test_a_busy_database_is_called_busy(store: Store) -> None:
    store.database.execute("pragma busy_timeout = 20")
    with writing(store.layout.database), pytest.raises(DatabaseBusy) as busy, store.write():
        store.remember("a", "1")
    assert str(busy.value) == (
        f"{store.layout.database}: The database is busy: another process is writing to it.\n"
        "What is served is not touched. Try again in a moment."
    )
    with store.write():
        store.remember("a", "2")
    assert store.meta("a") == "2"


def test_who_makes_a_pass_meanwhile_is_named(store: Store) -> None:
    store.database.execute("pragma busy_timeout = 20")
    command = [sys.executable, "-c", HOLDER, str(store.layout.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with writing(store.layout.database), pytest.raises(DatabaseBusy) as busy, store.write():
            pass
        process.communicate()
    assert f"another process is writing to it (pid {process.pid}, " in str(busy.value)


def test_what_a_reader_meets_is_an_error_of_the_store_too(store: Store) -> None:
    with pytest.raises(DatabaseReadOnly), Store.open_read_only(store.layout) as view:
        view.remember("a", "1")
    with pytest.raises(sqlite3.OperationalError, match="no such table"), Store.open_read_only(store.layout) as view:
        view.database.execute("select 1 from elsewhere")
    store.close()
    store.layout.database.write_bytes(b"no database\n" * 1000)
    with pytest.raises(DatabaseDamaged), Store.open_read_only(store.layout) as view:
        view.meta("a")


def test_what_is_nice_to_know_is_left_out_while_another_process_writes(store: Store) -> None:
    patience = store.database.execute("pragma busy_timeout").fetchone()[0]
    with writing(store.layout.database):
        assert not store.write_if_free(lambda: store.remember("a", "1"))
        assert store.meta("a") is None
    assert store.write_if_free(lambda: store.remember("a", "2"))
    assert store.meta("a") == "2"
    assert store.database.execute("pragma busy_timeout").fetchone()[0] == patience > 0


def test_a_database_opens_for_looking_while_another_process_writes(store: Store) -> None:
    with store.write():
        store.remember("a", "1")
    with writing(store.layout.database):
        with Store.open_existing(store.layout) as other:
            other.database.execute("pragma busy_timeout = 0")
            assert other.meta("a") == "1"
        with Store.open_read_only(store.layout) as view:
            assert view.meta("a") == "1"
