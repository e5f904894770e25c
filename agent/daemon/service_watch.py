"""Watch on the processes that serve: one that ends, or another one at its port, is noticed before a look is due."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from agent.system.listeners import Listener, listeners, processes_of
from agent.system.processes import parents_only, process_of
from agent.system.trust import TOP

WATCHED = ("ports", "pid_files", "serving")
"""What `follow` takes of what a pass process tells."""
TICK = 5.0
"""Seconds between looks at who listens: a tenth of a millisecond each."""
INIT = 1
BURST = 5
"""Passes that are asked for as soon as something happens, then one in each `PAUSE`.

Any user may have a socket at a port above 1023 come and go, and a service's user a pid file.
"""
PAUSE = 60.0
"""Seconds."""


class ServiceWatch:
    """Processes and ports of the services, as the last pass knew them."""

    def __init__(
        self,
        watch: Callable[[int, Callable[[], None]], Callable[[], None]],
        root: Path = TOP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`watch` has the sleeping loop woken up when a descriptor can be read, and returns how to end that.

        `root`: of the appliance.
        """
        self._watch = watch
        self._root = root
        self._clock = clock
        self._left, self._left_at = float(BURST), clock()
        """Passes that may be asked for, and when that was counted."""
        self._watched: dict[int, Callable[[], None]] = {}
        """Process -> what forgets it."""
        self._ports: frozenset[int] = frozenset()
        self._listening: list[Listener] = []
        self._pid_files: dict[Path, int | None] = {}
        """The processes that they name: one that names none, or another one, lets its service not be reloaded."""
        self._heard_at: set[int] = set()
        """Ports at which somebody was seen to listen."""
        self.changed = False
        """Whether something happened since `follow`: endpoints are to be looked at."""
        self._reason = ""
        self.paused = False
        """Whether a pass is made, which may itself restart services: what happens meanwhile is its own."""

    @property
    def tick(self) -> float | None:
        """Seconds until the next look at who listens; None: nobody is known who should."""
        return TICK if self._ports else None

    def look(self) -> str:
        """Return what happened to the services, once; empty if nothing did, or too much lately."""
        if not self.changed and self._ports and self._who_listens() != self._listening:
            self._note("who listens at a port has changed")
        elif not self.changed and self._pid_files != self._named(self._pid_files):
            self._note("the pid file of a service has changed")
        if not self._reason or not self._may_ask():
            return ""
        reason, self._reason = self._reason, ""
        return reason

    def _may_ask(self) -> bool:
        now = self._clock()
        self._left, self._left_at = min(float(BURST), self._left + (now - self._left_at) / PAUSE), now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def follow(self, ports: Iterable[int], pid_files: Iterable[str], serving: Iterable[int] = ()) -> None:
        """Watch what serves at `ports` and is named by `pid_files` now. Call it after a pass that has looked.

        `serving`: ports at which all was well when the pass looked: what has ended since is noticed here, or by nobody.
        """
        self._ports = frozenset(ports)
        self._listening = self._who_listens()
        before, self._pid_files = self._pid_files, self._named(map(Path, pid_files))
        wanted = set(self._serving())
        for pid in self._watched.keys() - wanted:
            self._watched.pop(pid)()
        for pid in wanted - self._watched.keys():
            self._begin(pid)
        self.changed, self._reason = False, ""
        self._note_ended(before, set(serving))

    def _note_ended(self, before: Mapping[Path, int | None], serving: set[int]) -> None:
        """Note what has ended while a pass was made. Ports of other machines, at which nobody was ever seen here, don't count."""
        listening = {port for _, port, *_ in self._listening}
        silent = (serving & self._heard_at) - listening
        gone = [path for path, pid in self._pid_files.items() if pid is None and before.get(path) is not None]
        self._heard_at = (self._heard_at | listening) & self._ports
        if silent or gone:
            self._note("a service has ended while a pass was made")

    def close(self) -> None:
        """Forget all."""
        for forget in self._watched.values():
            forget()
        self._watched.clear()

    def _who_listens(self) -> list[Listener]:
        try:
            return listeners(self._ports)
        except OSError:
            return []

    def _named(self, pid_files: Iterable[Path]) -> dict[Path, int | None]:
        return {path: process_of(path, self._root) for path in pid_files}

    def _serving(self) -> Iterator[int]:
        with contextlib.suppress(OSError):
            others = processes_of({inode for *_, inode in self._listening}).keys() - {INIT, os.getpid()}
            yield from parents_only(others)
        yield from (pid for pid in self._pid_files.values() if pid is not None)

    def _begin(self, pid: int) -> None:
        with contextlib.suppress(OSError):  # it has just ended: who listens has changed
            descriptor = os.pidfd_open(pid)
            stop = self._watch(descriptor, lambda: self._ended(pid))

            def forget() -> None:
                stop()
                os.close(descriptor)

            self._watched[pid] = forget

    def _ended(self, pid: int) -> None:
        self._watched.pop(pid)()
        if not self.paused:
            self._note(f"the process {pid} of a service has ended")

    def _note(self, reason: str) -> None:
        self.changed, self._reason = True, reason
