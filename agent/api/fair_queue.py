"""A bounded queue before a few threads: nobody can fill it for the others.

Who waits is ordered by grade, then by turns: the second call of somebody comes after the first ones of all others, whenever
they came (start-time fair queueing). Where the queue is full, the last one of this order is refused, at once, and not the
one who comes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future as ThreadFuture
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from agent.errors.api import ServiceUnavailable

T = TypeVar("T")


class Ticket(Protocol):
    """What a place in the queue depends on; asked again whenever there is a choice."""

    @property
    def grade(self) -> int:
        """0: the front of the queue, and a thread that others leave free."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of whom it counts for, such as a person or a network; the first one counts first. As many in a whole queue."""

    @property
    def penalties(self) -> tuple[int, ...]:
        """Turns that each of `keys` is put back."""


@dataclass(frozen=True, slots=True)
class Place:
    """Ticket whose place stays as it is."""

    grade: int
    keys: tuple[str, ...]

    @property
    def penalties(self) -> tuple[int, ...]:
        """None."""
        return (0,) * len(self.keys)


@dataclass(eq=False, slots=True)
class _Entry:
    ticket: Ticket
    keys: tuple[str, ...]
    turns: tuple[int, ...]
    """By key."""
    number: int
    called: asyncio.Future[None] = field(repr=False)

    def rank(self) -> tuple[int, ...]:
        """Return what the queue is ordered by."""
        turns = (turn + penalty for turn, penalty in zip(self.turns, self.ticket.penalties, strict=True))
        return (self.ticket.grade, *turns, self.number)


class FairQueue:
    """Threads of one event loop, and the queue before them."""

    def __init__(self, name: str, width: int, most: int, reserved: int = 0) -> None:
        """`width`: threads; `most`: that wait; `reserved`: threads that are for grade 0 alone."""
        self._threads = ThreadPoolExecutor(width, name)
        self._width = width
        self._most = most
        self._others = width - reserved
        self._waiting: list[_Entry] = []
        self._running: list[_Entry] = []
        self._turn: tuple[int, ...] = ()
        self._count = 0

    async def run(self, ticket: Ticket, work: Callable[[], T]) -> T:
        """Return what `work` returns, called in a thread. Raises `ServiceUnavailable` for who is last in a full queue."""
        entry = self._entry(ticket)
        self._waiting.append(entry)
        self._advance()
        if len(self._waiting) > self._most:
            last = max(self._waiting, key=_Entry.rank)
            self._waiting.remove(last)
            if not last.called.done():  # its caller has gone
                last.called.set_exception(ServiceUnavailable())
        try:
            await entry.called
        except asyncio.CancelledError:
            self._left(entry)
            raise
        return await self._called(entry, work)

    def close(self) -> None:
        """Wait for what runs, and cancel what waits."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _entry(self, ticket: Ticket) -> _Entry:
        keys, self._count = ticket.keys, self._count + 1
        self._turn = self._turn or (0,) * len(keys)
        known = [*self._running, *self._waiting]
        turns = tuple(
            1 + max([turn, *(each.turns[at] for each in known if each.keys[at] == key)])
            for at, (key, turn) in enumerate(zip(keys, self._turn, strict=True))
        )
        return _Entry(ticket, keys, turns, self._count, asyncio.get_running_loop().create_future())

    async def _called(self, entry: _Entry, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()

        def ended(_: ThreadFuture[T]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(self._ended, entry)

        future = self._threads.submit(work)
        future.add_done_callback(ended)
        return await asyncio.wrap_future(future)

    def _left(self, entry: _Entry) -> None:
        """Free the place of a caller who has gone, or his turn, which he never took."""
        if entry in self._waiting:
            self._waiting.remove(entry)
        elif entry in self._running:
            self._ended(entry)

    def _ended(self, entry: _Entry) -> None:
        self._running.remove(entry)
        self._advance()

    def _advance(self) -> None:
        """Call the next ones."""
        while len(self._running) < self._width:
            there = [each for each in self._waiting if not each.called.done() and self._may_run(each.ticket)]
            if not there:
                return
            first = min(there, key=_Entry.rank)
            self._waiting.remove(first)
            self._running.append(first)
            self._turn = tuple(map(max, self._turn, first.turns))
            first.called.set_result(None)

    def _may_run(self, ticket: Ticket) -> bool:
        return ticket.grade == 0 or sum(each.ticket.grade > 0 for each in self._running) < self._others
