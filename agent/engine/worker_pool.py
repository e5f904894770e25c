"""Threads that ask sources while nobody holds the lock."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar


class Asked(Protocol):
    """Somebody who is asked."""

    @property
    def name(self) -> str:
        """What its threads are called by."""

    @property
    def concurrency(self) -> int:
        """Questions at the same time."""


T = TypeVar("T")
S = TypeVar("S", bound=Asked)


class WorkerPool(Generic[T, S]):
    """Tasks in their order, of each source as many at once as it allows. What comes of them is kept until it is stored."""

    def __init__(self, wake: Callable[[], object]) -> None:
        """`wake` is called whenever a task has ended, in its thread."""
        self._wake = wake
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[tuple[Hashable, Callable[[], T]]]] = defaultdict(deque)
        self._threads: dict[str, list[threading.Thread]] = defaultdict(list)
        self._begun: dict[Hashable, S] = {}
        self._ended: dict[Hashable, T] = {}
        self.stop = threading.Event()
        """Asks the tasks that are added now to stop; set before one begins, it is not to begin."""

    def add(self, key: Hashable, source: S, work: Callable[[], T]) -> None:
        """Do `work` as soon as its source allows one more. It returns what came of it, whatever happens."""
        with self._lock:
            self._begun[key] = source
            self._waiting[source.name].append((key, work))
            if len(self._threads[source.name]) < max(1, source.concurrency):
                arguments = (source.name, self.stop)
                thread = threading.Thread(target=self._run, args=arguments, name=f"ask {source.name}", daemon=True)
                self._threads[source.name].append(thread)
                thread.start()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._begun

    @property
    def keys(self) -> frozenset[Hashable]:
        """Keys of the tasks that were added and not stored yet."""
        return frozenset(self._begun)

    @property
    def sources(self) -> list[S]:
        """Sources whose tasks were added and not stored yet."""
        return list(self._begun.values())

    @property
    def running(self) -> bool:
        """Whether a task has not ended."""
        with self._lock:
            return len(self._ended) < len(self._begun)

    @property
    def has_ended(self) -> bool:
        """Whether a task has ended and was not stored yet."""
        return bool(self._ended)

    @contextmanager
    def ended(self) -> Iterator[list[T]]:
        """Yield what came of the tasks that have ended, to be stored; where that fails, it stays."""
        with self._lock:
            ended = dict(self._ended)
        yield list(ended.values())
        with self._lock:
            for key in ended:
                del self._ended[key], self._begun[key]

    def halt(self) -> list[threading.Thread]:
        """Ask everything to stop. Return the threads of what was begun."""
        with self._lock:
            stop, self.stop = self.stop, threading.Event()
            left = [task for tasks in self._waiting.values() for task in tasks]
            self._waiting.clear()
            threads = [thread for threads in self._threads.values() for thread in threads]
            self._threads.clear()
        stop.set()
        for key, work in left:
            self._do(key, work)
        return threads

    def _run(self, name: str, stop: threading.Event) -> None:
        while (task := self._next(name, stop)) is not None:
            self._do(*task)

    def _do(self, key: Hashable, work: Callable[[], T]) -> None:
        outcome = work()
        with self._lock:
            self._ended[key] = outcome
        self._wake()

    def _next(self, name: str, stop: threading.Event) -> tuple[Hashable, Callable[[], T]] | None:
        with self._lock:
            if not stop.is_set() and self._waiting[name]:
                return self._waiting[name].popleft()
            me = threading.current_thread()
            self._threads[name] = [thread for thread in self._threads[name] if thread is not me]
            return None
