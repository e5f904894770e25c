"""What a process does at this moment, in memory that its supervisor reads: what hangs, or has died, can be named from outside.

Beginning and end of a call cost a few writes to memory and no system call. Cheap to import.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SLOTS = 64
"""Calls at once that are told; what more there are isn't."""
SLOT = struct.Struct("=dd496s")
"""Monotonic instants at which it is overdue (zero: it is free) and at which it began; its words."""
HOOK_SECONDS = 60.0
"""So long a plugin may take for one answer: it declares, and waits for nothing."""
LOADING_SECONDS = 120.0
"""So long reading the settings and importing the plugins may take."""
PASS_SECONDS = 600.0
"""So long a pass may take without beginning or ending anything."""
COMMAND_SECONDS = 60.0
"""Beyond a command's own timeout, after which its process group is killed."""


class Doing:
    """One call that is under way."""

    __slots__ = ("begun", "overdue_at", "subject", "what")

    def __init__(self, overdue_at: float, begun: float, words: str) -> None:
        self.overdue_at = overdue_at
        """Monotonic."""
        self.begun = begun
        self.subject, _, self.what = words.partition("\t")
        """`KIND NAME` of what a finding is about, and what is done, as the subject of a sentence."""


class Page:
    """Memory that two processes share: one writes, the other reads."""

    def __init__(self, descriptor: int) -> None:
        """Map it. Raises OSError."""
        self._memory = mmap.mmap(descriptor, SLOTS * SLOT.size)

    def write(self, slot: int, overdue_at: float, begun: float, words: str) -> None:
        """Fill a slot. The first number, which is written last, says that the rest is there."""
        SLOT.pack_into(self._memory, slot * SLOT.size, 0.0, begun, words.encode()[:496])
        self.postpone(slot, overdue_at)

    def postpone(self, slot: int, overdue_at: float) -> None:
        """Say when a call is overdue; zero: it has ended."""
        struct.pack_into("=d", self._memory, slot * SLOT.size, overdue_at)

    def read(self) -> list[Doing]:
        """Return what is under way, the newest first."""
        rows = [SLOT.unpack_from(self._memory, slot * SLOT.size) for slot in range(SLOTS)]
        found = [Doing(at, begun, words.rstrip(b"\0").decode("utf-8", "replace")) for at, begun, words in rows if at]
        return sorted(found, key=lambda each: -each.begun)

    def clear(self) -> None:
        """Forget all: another process is to write."""
        self._memory[:] = bytes(len(self._memory))


def shared_memory() -> int:
    """Return a descriptor of memory for a page. Raises OSError."""
    descriptor = os.memfd_create("activity")
    os.ftruncate(descriptor, SLOTS * SLOT.size)
    return descriptor


class Activity:
    """Writer of what a process does. Any thread may use it."""

    def __init__(
        self, page: Page | None = None, *, patience: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`page` None: nobody reads. `patience`: seconds in place of those of each call, for tests."""
        self._page = page
        self._patience = patience
        self._clock = clock
        self._free = list(range(SLOTS - 1, 0, -1))
        self._in_pass = False

    @contextmanager
    def doing(self, subject: str, what: str, seconds: float) -> Iterator[None]:
        """Tell of a call meanwhile: it is about `subject` (kind and name) and may take so many seconds."""
        slot = self._free.pop() if self._page and self._free else 0
        if not slot or self._page is None:
            yield
            return
        now = self._clock()
        self._page.write(slot, now + (self._patience or seconds), now, f"{subject}\t{what}")
        self.progress()
        try:
            yield
        finally:
            self._page.postpone(slot, 0.0)
            self._free.append(slot)
            self.progress()

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Tell that a pass is made meanwhile, which has to get on."""
        if self._page is None:
            yield
            return
        self._page.write(0, 0.0, self._clock(), "pass pass\ta pass")
        self._in_pass = True
        self.progress()
        try:
            yield
        finally:
            self._in_pass = False
            self._page.postpone(0, 0.0)

    def progress(self) -> None:
        """Tell that the pass gets on."""
        if self._in_pass and self._page is not None:
            self._page.postpone(0, self._clock() + (self._patience or PASS_SECONDS))
