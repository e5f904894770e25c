"""Threads that ask sources while nobody holds the lock."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.contract.source import Source

Key = tuple[str, str]


@dataclass(frozen=True)
class Task:
    """A question to a source."""

    key: Key
    """Nothing else with this key runs at the same time."""
    source: Source
    work: Callable[[threading.Event], Any]
    """Returns what came of it. The event says that it is to stop: set at the start, nothing is to be begun."""


class WorkerPool:
    """Runs tasks in their order, of each source as many at once as it allows. `deliver` takes what came of each."""

    def __init__(self, deliver: Callable[[Key, Any], object]) -> None:
        self._deliver = deliver
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Task]] = defaultdict(deque)
        self._threads: dict[str, list[threading.Thread]] = defaultdict(list)
        self._stop = threading.Event()

    def add(self, task: Task) -> None:
        """Run a task as soon as its source allows one more."""
        name = task.source.name
        with self._lock:
            self._waiting[name].append(task)
            if len(self._threads[name]) < max(1, task.source.concurrency):
                thread = threading.Thread(target=self._run, args=(name, self._stop), name=f"ask {name}", daemon=True)
                self._threads[name].append(thread)
                thread.start()

    def halt(self) -> list[threading.Thread]:
        """Ask everything to stop. Return the threads of what was begun."""
        with self._lock:
            stop, self._stop = self._stop, threading.Event()
            left = [task for tasks in self._waiting.values() for task in tasks]
            self._waiting.clear()
            threads = [thread for threads in self._threads.values() for thread in threads]
            self._threads.clear()
        stop.set()
        for task in left:
            self._deliver(task.key, task.work(stop))
        return threads

    def _run(self, name: str, stop: threading.Event) -> None:
        while (task := self._next(name, stop)) is not None:
            self._deliver(task.key, task.work(stop))

    def _next(self, name: str, stop: threading.Event) -> Task | None:
        with self._lock:
            if not stop.is_set() and self._waiting[name]:
                return self._waiting[name].popleft()
            me = threading.current_thread()
            self._threads[name] = [thread for thread in self._threads[name] if thread is not me]
            return None
