"""The write queue: what many threads hand in becomes durable together, and what fails harms nobody else."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from agent.engine.write_queue import DirectWriter, WriteQueue
from agent.errors.store import DatabaseBusy, DatabaseRefused
from agent.store import Store
from agent.system.layout import Layout
from support.waiting import until


@pytest.fixture
def layout(tmp_path: Path, monkeypatch) -> Layout:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    made = Layout(tmp_path)
    Store.open(made).close()
    return made


@pytest.fixture
def write_queue(layout: Layout) -> Iterator[WriteQueue]:
    made = WriteQueue(partial(opened, layout), remember("heartbeat"))
    yield made
    made.close()


def opened(layout: Layout) -> Store:
    return Store.open_existing(layout, several_threads=True)


def remember(key: str, value: str = "1"):
    return lambda store: store.remember(key, value)


def seen(layout: Layout, key: str) -> str | None:
    with sqlite3.connect(f"file:{layout.database}?mode=ro", uri=True) as connection:
        row = connection.execute("select value from meta where key = ?", [key]).fetchone()
    connection.close()
    return row[0] if row else None


class HeldWork:
    """Work that waits inside the queue's transaction until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.leave = threading.Event()

    def __call__(self, store: Store) -> None:
        self.entered.set()
        assert self.leave.wait(30)


def all_at_once(write_queue: WriteQueue, works: list) -> list[threading.Thread]:
    """Hand in `works` from a thread each, while the queue is busy with something else."""
    held = HeldWork()
    first = threading.Thread(target=write_queue.write, args=(held,))
    first.start()
    assert held.entered.wait(30)
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    until(lambda: len(write_queue._queue) == len(works), what="all have handed in")
    held.leave.set()
    return [first, *threads]


def test_what_is_written_is_there_when_the_call_returns(write_queue, layout):
    assert write_queue.write(lambda store: store.remember("a", "b") or 7) == 7
    assert seen(layout, "a") == "b"
    assert write_queue.read(lambda store: store.meta("a")) == "b"


def test_what_many_hand_in_at_the_same_time_costs_one_transaction(layout):
    statements: list[str] = []

    def traced() -> Store:
        store = opened(layout)
        store.database.set_trace_callback(statements.append)
        return store

    write_queue = WriteQueue(traced, remember("heartbeat"))
    works = [lambda number=number: write_queue.write(remember(f"k{number}")) for number in range(100)]
    for thread in all_at_once(write_queue, works):
        thread.join(30)
    write_queue.close()
    assert statements.count("COMMIT") == 2
    assert all(seen(layout, f"k{number}") for number in range(100))


def test_one_that_fails_harms_no_other_and_learns_why(write_queue, layout):
    caught: list[BaseException] = []

    def fail(store: Store) -> None:
        store.remember("half", "1")
        raise ValueError("no")

    def failing() -> None:
        try:
            write_queue.write(fail)
        except ValueError as error:
            caught.append(error)

    for thread in all_at_once(write_queue, [lambda: write_queue.write(remember("whole")), failing]):
        thread.join(30)
    assert [str(error) for error in caught] == ["no"]
    assert seen(layout, "whole") == "1"
    assert seen(layout, "half") is None


def test_a_statement_that_the_database_refuses_is_translated(write_queue):
    with pytest.raises(DatabaseRefused, match="no such table"):
        write_queue.write(lambda store: store.database.execute("insert into nowhere values (1)"))
    write_queue.write(remember("after"))


def test_a_transaction_that_is_lost_as_a_whole_is_lost_for_all(write_queue, layout):
    """SQLite undoes everything by itself when the disk is full."""
    caught: list[BaseException] = []

    def lose(store: Store) -> None:
        store.database.execute("rollback")
        raise OSError("the disk is full")

    def writing(work) -> None:
        try:
            write_queue.write(work)
        except OSError as error:
            caught.append(error)

    for thread in all_at_once(write_queue, [lambda: writing(lose), lambda: writing(remember("other"))]):
        thread.join(30)
    assert len(caught) == 2
    assert seen(layout, "other") is None
    write_queue.write(remember("other"))
    assert seen(layout, "other") == "1"


def test_what_nobody_waits_for_is_written_soon_without_being_pushed(write_queue, layout):
    write_queue.later(remember("a"))
    until(lambda: seen(layout, "a"), what="it is written")


def test_what_nobody_waits_for_goes_with_the_next_transaction(write_queue, layout):
    for number in range(50):
        write_queue.later(remember(f"l{number}"))
    write_queue.write(remember("b"))
    assert all(seen(layout, f"l{number}") for number in range(50))


def test_what_nobody_waits_for_may_fail(write_queue, layout):
    write_queue.later(lambda _: 1 / 0)
    write_queue.write(remember("a"))
    assert seen(layout, "a") == "1"


def test_what_is_left_is_written_at_the_end_and_later_work_starts_it_again(write_queue, layout):
    write_queue.later(remember("a"))
    write_queue.close()
    assert seen(layout, "a") == "1"
    write_queue.write(remember("b"))
    assert seen(layout, "b") == "1"
    write_queue.close()
    write_queue.close()


def test_it_gives_signs_of_life(layout):
    write_queue = WriteQueue(partial(opened, layout), remember("heartbeat"), heartbeat_seconds=0.05)
    write_queue.write(remember("a"))
    until(lambda: seen(layout, "heartbeat"), what="it has given one")
    write_queue.close()


def impatient(layout: Layout) -> Store:
    """Return a store that doesn't wait for other writers by itself."""
    store = opened(layout)
    store.database.execute("pragma busy_timeout = 20")
    return store


def test_another_writer_that_takes_its_time_is_waited_for(layout):
    with Store.open(layout) as other:
        write_queue = WriteQueue(partial(impatient, layout), remember("heartbeat"))
        with other.write():
            other.remember("a", "1")
            thread = threading.Thread(target=write_queue.write, args=(remember("b"),))
            thread.start()
            thread.join(0.3)
            assert thread.is_alive()
        thread.join(30)
        write_queue.close()
    assert seen(layout, "b") == "1"


def test_another_writer_that_never_ends_is_said(layout):
    with Store.open(layout) as other, other.write():
        other.remember("a", "1")
        write_queue = WriteQueue(partial(impatient, layout), remember("heartbeat"), busy_timeout=0.1)
        with pytest.raises(DatabaseBusy, match="another process is writing to it"):
            write_queue.write(remember("b"))
        write_queue.close()


def test_the_end_waits_for_another_writer_too_and_loses_nothing(layout):
    with Store.open(layout) as other:
        write_queue = WriteQueue(partial(impatient, layout), remember("heartbeat"))
        with other.write():
            other.remember("a", "1")
            write_queue.later(remember("b"))
            closing = threading.Thread(target=write_queue.close)
            closing.start()
            closing.join(0.3)
            assert closing.is_alive()
        closing.join(30)
    assert seen(layout, "b") == "1"


def test_a_database_that_can_not_be_opened_is_said_to_whoever_waits(layout):
    def refuse() -> Store:
        raise DatabaseRefused(str(layout.database), "it is gone")

    write_queue = WriteQueue(refuse, lambda _: None)
    with pytest.raises(DatabaseRefused, match="it is gone"):
        write_queue.write(remember("a"))
    with pytest.raises(DatabaseRefused, match="it is gone"):
        write_queue.read(lambda store: store.meta("a"))
    write_queue.close()


def test_who_holds_the_lock_writes_as_a_part_of_its_own_transaction(layout):
    with Store.open(layout) as store:
        own = DirectWriter(store)

        def work() -> None:
            with store.write():
                own.write(remember("a"))
                own.later(remember("b"))
                assert own.read(lambda store: store.meta("a")) == "1"
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            work()
    assert seen(layout, "a") is None
    assert seen(layout, "b") is None
