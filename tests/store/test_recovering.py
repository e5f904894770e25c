"""A database that is lost is recovered from a copy, and what keeps it from that is told: nothing is passed over in silence."""

from __future__ import annotations

import os
import resource
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.errors.store import DatabaseLost, MasterKeyWrong, StateUnwritable
from agent.model.events import Event, EventKind
from agent.pki.authority import Root
from agent.store import Store
from agent.store.copies import DAILY, copies, make_copy
from agent.store.recovery import Recovery, diagnose, recover, restored_rows
from agent.system.layout import Layout
from store.test_the_store import NOW, a_root


@pytest.fixture
def lost(layout: Layout) -> Layout:
    """An appliance with a root and two copies, whose database is lost."""
    with Store.open(layout) as store:
        with store.write():
            store.roots.add(a_root(), NOW)
        for _ in range(2):
            make_copy(layout, store.database, store.sealer, DAILY, NOW)
    for path in layout.private.glob("chainwright.db*"):
        path.unlink()
    return layout


def recovered(layout: Layout) -> Recovery:
    found = diagnose(layout)
    assert isinstance(found, DatabaseLost)
    return recover(layout, found, NOW)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file of this process become larger, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_without_room_is_no_reason_to_begin_from_nothing(lost):
    with files_of_at_most(10_000), pytest.raises(StateUnwritable) as caught:
        recovered(lost)
    assert caught.value.problem.where == str(lost.private / ".chainwright.db.new")
    assert not lost.database.exists()
    found = recovered(lost)
    assert found.copy == copies(lost)[0]
    assert not found.refused


@pytest.mark.parametrize("left", ["copies and root", "copies", "root and copy"])
def test_another_master_key_is_told_and_not_taken_for_damage(lost, left):
    if left == "copies":
        for path in lost.private.glob("root-*"):
            path.unlink()
    if left == "root and copy":
        copies(lost)[0].path.unlink()
    key = lost.master_key.read_text()
    lost.master_key.write_text(secrets.token_hex(32))
    with pytest.raises(MasterKeyWrong):
        recovered(lost)
    assert not lost.database.exists()
    lost.master_key.write_text(key)
    assert recovered(lost).copy


def test_one_damaged_file_says_nothing_of_the_master_key(lost):
    for copy in copies(lost):
        copy.path.unlink()
    (sealed,) = lost.private.glob("root-*.sealed")
    sealed.write_bytes(bytes(100))
    with pytest.raises(DatabaseLost):
        recovered(lost)


@pytest.fixture
def younger(layout: Layout) -> Root:
    """A root that the database has, but no copy and no file."""
    with Store.open(layout) as store:
        make_copy(layout, store.database, store.sealer, DAILY, NOW)
        with store.write():
            store.roots.add(made := a_root(), NOW)
            for number in range(500):
                store.journal.add(Event(at=NOW, kind=EventKind.BACKUP_MADE, text=f"{number} {'x' * 100}"))
        store.database.execute("pragma wal_checkpoint(truncate)")
    for path in layout.private.glob("root-*"):
        path.unlink()
    return made


def spoil_page_of(layout: Layout, table: str) -> None:
    """Overwrite the last page of a table: a leaf of the larger ones."""
    database = sqlite3.connect(layout.database)
    (page,) = database.execute("select max(pageno) from dbstat where name = ?", [table]).fetchone()
    (size,) = database.execute("pragma page_size").fetchone()
    database.close()
    with layout.database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(os.urandom(size))


@pytest.mark.parametrize("table", ["events", "idx_events_job", "ledger", "meta", "deployments"])
def test_a_bad_page_of_what_is_made_again_costs_nothing_else(layout, younger, table):
    spoil_page_of(layout, table)
    recovery = recover(layout, diagnose(layout), NOW)
    left_out = [] if table.startswith("idx") else [table]
    assert (recovery.copy, recovery.from_itself, recovery.left_out) == (None, True, left_out)
    said = next(iter(restored_rows(recovery)))
    but = f" but those of {table}" if left_out else ""
    assert said == f"every row could be read{but}, and was taken over"
    with Store.open(layout) as store:
        assert [each.sha256 for each in store.roots.all()] == [younger.sha256]
        assert len(store.journal.since()) == (0 if table == "events" else 500)
    assert diagnose(layout) is None


@pytest.mark.parametrize("table", ["roots", "people", "sqlite_schema"])
def test_a_bad_page_of_what_nobody_makes_again_brings_the_copy_back(layout, younger, table):
    spoil_page_of(layout, table)
    recovery = recover(layout, diagnose(layout), NOW)
    assert (recovery.copy, recovery.from_itself, recovery.left_out) == (copies(layout)[0], False, [])


@pytest.mark.parametrize("name", ["wal", "shm", "journal"])
def test_a_directory_in_place_of_a_log_costs_nothing_that_the_database_has(layout, younger, name):
    path = layout.database.with_name(f"{layout.database.name}-{name}")
    path.unlink(missing_ok=True)
    a_directory(path)
    recovery = recover(layout, diagnose(layout), NOW)
    assert (recovery.copy, recovery.from_itself, recovery.left_out) == (None, True, [])
    assert (recovery.aside / path.name / "mine").is_dir()
    with Store.open(layout) as store:
        assert [each.sha256 for each in store.roots.all()] == [younger.sha256]
        assert len(store.journal.since()) == 500


def a_file(path: Path) -> None:
    path.touch()


def a_directory(path: Path) -> None:
    (path / "mine").mkdir(parents=True)


@pytest.mark.parametrize(("name", "make"), [("damaged", a_file), (".chainwright.db.new", a_directory)])
def test_what_is_in_the_way_is_told_with_its_cure(lost, name, make):
    make(path := lost.private / name)
    with pytest.raises(StateUnwritable) as caught:
        recovered(lost)
    assert caught.value.problem.where == str(path)
    assert caught.value.problem.fix.startswith(f"Move it away: mv {path} {path}.found, then: ")
    path.rename(f"{path}.found")
    assert recovered(lost).copy


def test_who_only_looks_is_told_that_it_is_lost(lost):
    for open_store in (Store.open_existing, Store.open_read_only, Store.open_to_look):
        with pytest.raises(DatabaseLost):
            open_store(lost)


def test_a_master_key_that_is_no_file_is_told_with_its_cure(lost):
    lost.master_key.unlink()
    lost.master_key.mkdir()
    with pytest.raises(StateUnwritable) as caught:
        recovered(lost)
    assert caught.value.problem.cause == "The state directory can't be used: a directory is in its place."
    assert caught.value.problem.fix.startswith("Move it away: ")
