"""What several orders want to know at about the same time is found out once, and kept for some minutes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from agent.dns.exchange import Unanswered

V = TypeVar("V")

KEPT = 300.0
"""Seconds that an answer is kept."""
SILENCE_KEPT = 60.0
"""Seconds after which servers that didn't answer are asked again."""
MOST_KEPT = 10_000
"""Answers; before there are more, those whose time is over are forgotten, and where that brings nothing, all are."""
ENOUGH = 3
"""Names that servers were silent about, one after the other, before they count as silent: one may have a cause of its own."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Servers that don't answer, since when they last did."""

    until: float
    names: frozenset[Hashable]
    error: Unanswered


class Memory:
    """Answers under keys. May be used from several threads: the second who asks waits for the first one's answer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[float, Future[Any]]] = {}
        self._silent: dict[Hashable, Silence] = {}

    def keep(self, key: Hashable, value: object, seconds: float) -> None:
        """Have `value` recalled for so many seconds."""
        future: Future[Any] = Future()
        future.set_result(value)
        with self._lock:
            self._make_room()
            self._kept[key] = (self._clock() + seconds, future)

    def recall(self, key: Hashable, find: Callable[[], V], seconds: float = KEPT) -> V:
        """Return what `find` returned before, or does now. Raises `Unanswered`, which is remembered where it's lasting."""
        with self._lock:
            until, future = self._kept.get(key, (0.0, None))
            first = future is None or self._clock() >= until
            if first:
                self._make_room()
                future = Future()
                self._kept[key] = (self._clock() + seconds, future)
        assert future is not None
        if first:
            self._find(key, future, find)
        found: V = future.result()
        return found

    def _make_room(self) -> None:
        if len(self._kept) >= MOST_KEPT:
            now = self._clock()
            self._kept = {key: each for key, each in self._kept.items() if now < each[0]}
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()

    def _find(self, key: Hashable, future: Future[Any], find: Callable[[], V]) -> None:
        try:
            future.set_result(find())
        except BaseException as error:
            kept = SILENCE_KEPT if isinstance(error, Unanswered) and error.lasting else 0.0
            with self._lock:
                self._kept[key] = (self._clock() + kept, future)
            future.set_exception(error)

    def attempt(self, servers: Hashable, name: Hashable, ask: Callable[[], V]) -> V:
        """Return what `ask` returns, but don't ask servers that were silent about several names. Raises `Unanswered`."""
        with self._lock:
            noted = self._silent.get(servers)
            if noted is not None and len(noted.names) >= ENOUGH and self._clock() < noted.until:
                raise noted.error
        try:
            answer = ask()
        except Unanswered as error:
            if error.rcode is None and error.lasting:
                self._note_silence(servers, name, error)
            raise
        with self._lock:
            self._silent.pop(servers, None)
        return answer

    def _note_silence(self, servers: Hashable, name: Hashable, error: Unanswered) -> None:
        with self._lock:
            noted = self._silent.get(servers)
            now = self._clock()
            known = noted.names if noted is not None and now < noted.until else frozenset()
            self._silent[servers] = Silence(now + SILENCE_KEPT, known | {name}, error)
