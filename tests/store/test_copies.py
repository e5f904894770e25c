"""Copies of the database: whole, sealed, bounded in number and room; one that was changed is not taken."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.errors.store import CopyFailed
from agent.store import Store
from agent.store.copies import CHUNK, alone, check, copies, directory_of, make_copy, open_copy
from agent.store.sealing import Sealer
from agent.store.upgrade import is_up_to_date
from agent.system.layout import Layout
from support.older import NEWEST, make_old

NOW = datetime(2026, 11, 30, 6, 0, tzinfo=UTC)
ENDS = ["the first byte", "the middle", "the last byte", "cut off", "the last chunk left out", "longer", "empty"]


def made(store: Store, kind: str = "daily", now: datetime = NOW):
    return make_copy(store.layout, store.database, store.sealer, kind, now)


def opened(store: Store, copy, target: Path) -> sqlite3.Connection:
    open_copy(copy, store.sealer, target)
    return sqlite3.connect(target)


def fill(store: Store, size: int) -> None:
    with store.write():
        store.remember("much", os.urandom(size // 2).hex())


@pytest.mark.parametrize("size", [1, CHUNK, 5 * CHUNK])
def test_a_copy_has_all_that_the_database_has(store: Store, size: int, tmp_path: Path) -> None:
    fill(store, size)
    copy = made(store)
    database = opened(store, copy, tmp_path / "target")
    assert set(database.iterdump()) >= {line for line in store.database.iterdump() if line.startswith("INSERT")}
    database.close()
    assert stat.S_IMODE(copy.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.path.parent.stat().st_mode) == 0o700
    assert [each.name for each in copy.path.parent.iterdir()] == [copy.path.name]


def test_nothing_of_the_database_is_in_the_clear(store: Store) -> None:
    with store.write():
        store.remember("plain", "something that is to be found in no copy")
    content = made(store).path.read_bytes()
    assert b"something" not in content
    assert b"SQLite" not in content


@pytest.mark.parametrize("what", ENDS)
def test_a_copy_that_was_changed_is_not_taken(store: Store, what: str, tmp_path: Path) -> None:
    fill(store, 3 * CHUNK)
    copy = made(store)
    content = bytearray(copy.path.read_bytes())
    if what == "cut off":
        del content[-100:]
    elif what == "the last chunk left out":
        at = len(b"chainwright copy 1\n") + 33
        ends = [at]
        while ends[-1] < len(content):
            ends.append(ends[-1] + 4 + int.from_bytes(content[ends[-1] : ends[-1] + 4]))
        del content[ends[-2] :]
    elif what == "longer":
        content += bytes(100)
    elif what == "empty":
        content.clear()
    else:
        content[{"the first byte": 0, "the middle": len(content) // 2, "the last byte": -1}[what]] ^= 1
    copy.path.write_bytes(content)
    with pytest.raises(CopyFailed) as raised:
        open_copy(copy, store.sealer, tmp_path / "target")
    assert raised.value.problem.where == str(copy.path)


def test_a_chunk_of_another_copy_is_not_taken(store: Store, tmp_path: Path) -> None:
    first, second = made(store), made(store)
    head = len(b"chainwright copy 1\n") + 33
    second.path.write_bytes(second.path.read_bytes()[:head] + first.path.read_bytes()[head:])
    with pytest.raises(CopyFailed, match="damaged, or sealed with another master key"):
        open_copy(second, store.sealer, tmp_path / "target")


def test_a_copy_of_another_master_key_is_not_taken(store: Store, tmp_path: Path) -> None:
    copy = made(store)
    with pytest.raises(CopyFailed, match="another master key"):
        open_copy(copy, Sealer(lambda: bytes(32)), tmp_path / "target")


def test_the_last_seven_are_kept_and_the_one_before_the_last_upgrade(store: Store) -> None:
    for day in range(10):
        made(store, now=NOW + timedelta(days=day))
    for _ in range(3):
        made(store, "upgrade")
    found = copies(store.layout)
    assert [(each.kind, each.made_at.day) for each in found[1:]] == [("daily", day) for day in range(9, 2, -1)]
    assert (found[0].kind, len(found)) == ("upgrade", 8)


def test_a_clock_that_jumps_neither_floods_nor_hides_copies(store: Store) -> None:
    for year in (2026, 2126, 1970, 2026):
        made(store, now=NOW.replace(year=year))
    assert [each.made_at.year for each in copies(store.layout)] == [2026, 1970, 2126, 2026]


def test_what_a_killed_run_has_left_goes(store: Store) -> None:
    copy = made(store)
    for name in (".1234.new", f".{copy.path.name}.new"):
        (copy.path.parent / name).write_bytes(b"half of it")
        os.utime(copy.path.parent / name, (0, 0))
    made(store)
    assert {each.suffix for each in copy.path.parent.iterdir()} == {".copy"}


def test_no_copy_is_made_of_a_database_that_is_not_whole(layout: Layout) -> None:
    with Store.open(layout) as store:
        fill(store, CHUNK)
        store.database.execute("pragma wal_checkpoint(truncate)")
    content = bytearray(layout.database.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 8192] = os.urandom(8192)
    layout.database.write_bytes(content)
    with Store.open(layout) as store, pytest.raises(CopyFailed):
        made(store)
    assert copies(layout) == []
    assert list(directory_of(layout).iterdir()) == []


@pytest.mark.parametrize("content", [None, b""], ids=["missing", "empty"])
def test_a_file_with_nothing_in_it_is_no_copy_and_none_is_made(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "some.new"
    if content is not None:
        path.write_bytes(content)
    assert check(path) in {"unable to open database file", "there is nothing in it"}
    assert [each.stat().st_size for each in tmp_path.iterdir()] == ([] if content is None else [0])


def test_what_another_process_is_writing_stays(store: Store) -> None:
    young = made(store).path.parent / ".1234.new"
    young.write_bytes(b"half a database")
    made(store)
    assert young.read_bytes() == b"half a database"


def at_once(work: Callable[[], object], times: int = 6) -> None:
    """Do something in several threads at the same time."""
    ready = threading.Barrier(times)

    def begin() -> object:
        ready.wait(20)
        return work()

    with ThreadPoolExecutor(times) as threads:
        for each in [threads.submit(begin) for _ in range(times)]:
            each.result(60)


def test_copies_that_are_made_at_once_have_numbers_of_their_own(store: Store) -> None:
    def copy() -> None:
        with Store.open(store.layout) as other:
            made(other)

    at_once(copy)
    assert [each.number for each in copies(store.layout)] == [6, 5, 4, 3, 2, 1]


def steps_in(database: sqlite3.Connection) -> set[str]:
    try:
        return {row[0] for row in database.execute("select name from _sqlite_migrations")}
    finally:
        database.close()


def test_those_who_open_an_old_database_at_once_make_one_copy_of_it(layout: Layout, tmp_path: Path) -> None:
    Store.open(layout).close()
    make_old(layout)
    at_once(lambda: Store.open(layout).close())
    (copy,) = copies(layout)
    with Store.open(layout) as store:
        before = steps_in(opened(store, copy, tmp_path / "target"))
        assert (copy.kind, NEWEST in before, "m001" in {each[:4] for each in before}) == ("upgrade", False, True)
        assert NEWEST in {row[0] for row in store.database.execute("select name from _sqlite_migrations")}


def test_an_old_database_is_opened_though_no_copy_of_it_is_made_in_time(layout: Layout) -> None:
    Store.open(layout).close()
    make_old(layout)
    with alone(layout), Store.open(layout, copy_seconds=0) as store:
        assert is_up_to_date(store.database)
    make_old(layout)
    Store.open(layout, copy_seconds=0).close()
    assert copies(layout) == []
    assert list(directory_of(layout).iterdir()) == []
