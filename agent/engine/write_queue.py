"""Writes of many threads, made durable together in one transaction."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from agent.errors.store import DatabaseBusy
from agent.store import Store

BATCH_DELAY = 0.25
"""Seconds that what nobody waits for is kept, so that more goes into one transaction."""
HEARTBEAT = 20.0
"""Seconds between two signs of life."""
BUSY_TIMEOUT = 300.0
"""Seconds that another writer, which is busy deploying, is waited for."""
CLOSING_TIMEOUT = 30.0
"""Seconds for the same at the end: what orders have saved isn't thrown away because somebody writes just then."""

T = TypeVar("T")


class Writer(Protocol):
    """Access to the store on behalf of a source."""

    def write(self, work: Callable[[Store], T]) -> T:
        """Return what `work` returns, once what it has written is durable."""

    def later(self, work: Callable[[Store], object]) -> None:
        """Have `work` done soon; what it raises is dropped."""

    def read(self, work: Callable[[Store], T]) -> T:
        """Return what `work` finds."""


class DirectWriter:
    """Writes with the connection of a caller that holds the lock, inside or outside of a transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, work: Callable[[Store], T]) -> T:
        """Write at once."""
        with self._store.write():
            return work(self._store)

    def later(self, work: Callable[[Store], object]) -> None:
        """Write at once as well."""
        self.write(work)

    def read(self, work: Callable[[Store], T]) -> T:
        """Read, also what this transaction has written."""
        return work(self._store)


class _Entry:
    """Something to be written."""

    def __init__(self, work: Callable[[Store], Any], *, urgent: bool) -> None:
        self.urgent = urgent
        self.since = time.monotonic()
        self._work = work
        self._ended = threading.Lock()
        """Held until it is over."""
        self._ended.acquire()
        self._result: Any = None
        self._error: BaseException | None = None

    def perform(self, store: Store) -> None:
        """Write within the group's transaction; what fails is undone alone."""
        try:
            with store.part():
                self._result, self._error = self._work(store), None
        except Exception as error:
            if not store.in_transaction:
                raise
            self._error = error

    def release(self, failure: BaseException | None) -> None:
        """Let the waiter go on; `failure` is that of the whole group."""
        self._error = failure or self._error
        self._ended.release()

    def result(self) -> Any:
        """Wait, and return or raise what came of it."""
        self._ended.acquire()
        if self._error is not None:
            raise self._error
        return self._result


class WriteQueue:
    """A thread that writes what others hand in. It starts when there is something, and ends with `close`.

    A commit costs a flush of the disk, whatever is in it: a hundred orders that save their state at the same time pay for
    one or two.
    """

    def __init__(
        self,
        opened: Callable[[], Store],
        heartbeat: Callable[[Store], object],
        *,
        heartbeat_seconds: float = HEARTBEAT,
        busy_timeout: float = BUSY_TIMEOUT,
    ) -> None:
        """`opened` returns a store that several threads may use in turn; `heartbeat` is done every `heartbeat_seconds`."""
        self._opened = opened
        self._heartbeat = heartbeat
        self._heartbeat_seconds = heartbeat_seconds
        self._busy_timeout = busy_timeout
        self._state = threading.Condition()
        self._queue: list[_Entry] = []
        self._thread: threading.Thread | None = None
        self._closing = False
        self._reading = threading.Lock()
        self._reader: Store | None = None

    def write(self, work: Callable[[Store], T]) -> T:
        """Return what `work` returns, once what it has written is durable. Raises what it raises, `StoreError`."""
        entry = _Entry(work, urgent=True)
        self._submit(entry)
        result: T = entry.result()
        return result

    def later(self, work: Callable[[Store], object]) -> None:
        """Have `work` done with the next transaction, at the latest in a quarter of a second."""
        self._submit(_Entry(work, urgent=False))

    def read(self, work: Callable[[Store], T]) -> T:
        """Return what `work` finds. It sees all that `write` has written. Raises what it raises, `StoreError`."""
        with self._reading:
            if self._reader is None:
                self._reader = self._opened()
            return work(self._reader)

    def close(self) -> None:
        """Write what is left, and close the connections. What is handed in later starts it again."""
        with self._state:
            thread, self._closing = self._thread, True
            self._state.notify_all()
        if thread is not None:
            thread.join()
        with self._state:
            self._closing = False
        with self._reading:
            if self._reader is not None:
                self._reader.close()
            self._reader = None

    def begin(self) -> None:
        """Start the thread, for its heartbeat."""
        with self._state:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="write queue", daemon=True)
                self._thread.start()

    def _submit(self, entry: _Entry) -> None:
        with self._state:
            is_news = entry.urgent or not self._queue  # else the thread knows until when it may wait
            self._queue.append(entry)
            self.begin()
            if is_news:
                self._state.notify_all()

    def _run(self) -> None:
        try:
            with self._opened() as store:
                self._serve(store)
        except Exception as error:  # the database can't be opened a second time
            with self._state:
                group, self._queue, self._thread = self._queue, [], None
            for entry in group:
                entry.release(error)

    def _serve(self, store: Store) -> None:
        heartbeat_at = time.monotonic() + self._heartbeat_seconds
        while True:
            group = self._next_group(heartbeat_at)
            if group is None:
                return
            if time.monotonic() >= heartbeat_at:
                group.append(_Entry(self._heartbeat, urgent=False))
                heartbeat_at = time.monotonic() + self._heartbeat_seconds
            self._commit(store, group)

    def _next_group(self, heartbeat_at: float) -> list[_Entry] | None:
        """Wait until a caller waits, or something has waited long enough. None: the queue is closed."""
        with self._state:
            while True:
                if self._closing and not self._queue:
                    self._thread = None
                    return None
                until = min([heartbeat_at, *(entry.since + BATCH_DELAY for entry in self._queue[:1])])
                left = until - time.monotonic()
                if self._closing or left <= 0 or any(entry.urgent for entry in self._queue):
                    group, self._queue = self._queue, []
                    return group
                self._state.wait(left)

    @property
    def _patience(self) -> float:
        """Seconds for which another writer is waited for."""
        return min(self._busy_timeout, CLOSING_TIMEOUT) if self._closing else self._busy_timeout

    def _commit(self, store: Store, group: list[_Entry]) -> None:
        begun = time.monotonic()
        failure: BaseException | None = None
        while True:
            try:
                with store.write():
                    for entry in group:
                        entry.perform(store)
            except Exception as error:
                if isinstance(error, DatabaseBusy) and time.monotonic() < begun + self._patience:
                    continue
                failure = error
            break
        for entry in group:
            entry.release(failure)
