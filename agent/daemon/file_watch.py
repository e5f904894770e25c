"""Watch on the files that a pass reads (inotify(7)): a change of settings, templates or plugins is noticed at once.

A burst of changes counts as one, when it has been quiet for a moment. Directories that are made later are watched as well.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import time
from collections.abc import Callable, Iterator

from agent.system.fingerprint import states

MOST = 512
"""Directories that are watched."""
DEPTH = 8
"""Directories within each other that are watched."""
QUIET = 1.0
"""Seconds without a change after which a burst is over."""
LONGEST = 10.0
"""Seconds after which it counts though it goes on."""
EVENT = struct.Struct("iIII")
"""``struct inotify_event``: watch, mask, cookie, length of the name."""
CREATE, DELETE, MOVED_FROM, MOVED_TO, CLOSE_WRITE, ATTRIB = 0x100, 0x200, 0x40, 0x80, 0x8, 0x4
DELETE_SELF, MOVE_SELF, ONLY_DIRECTORY = 0x400, 0x800, 0x1000000
APPEARS = CREATE | MOVED_TO | ONLY_DIRECTORY
CHANGES = APPEARS | DELETE | MOVED_FROM | CLOSE_WRITE | ATTRIB | DELETE_SELF | MOVE_SELF
POLL = 5.0
"""Seconds between two looks where the kernel doesn't watch: it has a limit for each user."""
IGNORED = ("__pycache__", "4913")
"""Names that are no settings: Python's, and what vim tries."""


class FileWatch:
    """Watch on one directory and all below it, also while it doesn't exist."""

    def __init__(self, directory: str, watch: Callable[[int, Callable[[], None]], Callable[[], None]]) -> None:
        """`watch` has the sleeping loop woken up when a descriptor can be read, and returns how to end that."""
        self._directory = directory
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._paths: dict[int, str] = {}
        """Watch -> directory."""
        self._first: float | None = None
        self._last = 0.0
        self._changed = ""
        self._states, self._polled = "", time.monotonic()
        if self._descriptor >= 0:
            self._unwatch = watch(self._descriptor, self._take)
            self._arm()
        else:
            self._states = self._state()

    def changed(self) -> str:
        """Return the first of the files that have changed, once, when that is over; empty if none has."""
        if self._descriptor < 0:
            self._poll()
        if self._first is None or self.seconds:
            return ""
        self._arm()
        self._first, changed = None, self._changed
        return changed

    @property
    def seconds(self) -> float | None:
        """Return for how long the loop may sleep; None: until something happens."""
        if self._first is None:
            return None if self._descriptor >= 0 else POLL
        return max(0.0, min(self._last + QUIET, self._first + LONGEST) - time.monotonic())

    def close(self) -> None:
        """End it."""
        if self._descriptor >= 0:
            self._unwatch()
            os.close(self._descriptor)
            self._descriptor = -1

    def _poll(self) -> None:
        if time.monotonic() < self._polled + POLL:
            return
        self._polled, before = time.monotonic(), self._states
        self._states = self._state()
        if self._states != before:
            self._note(-1, "")

    def _state(self) -> str:
        return "\n".join(states([self._directory]))

    def _arm(self) -> None:
        """Watch every directory that is there now; one that is watched already stays so."""
        if self._descriptor < 0:
            return
        self._paths.clear()
        if os.path.isdir(self._directory):  # noqa: PTH112 - cheap to import
            for path in self._directories(self._directory, DEPTH):
                self._add(path, CHANGES)
                if len(self._paths) >= MOST:
                    return
        else:
            self._add(self._nearest(), APPEARS)

    def _add(self, path: str, mask: int) -> None:
        if self._descriptor < 0:
            return
        number = self._libc.inotify_add_watch(self._descriptor, os.fsencode(path), mask)
        if number >= 0:
            self._paths[number] = path
        elif ctypes.get_errno() == errno.ENOSPC:  # the user has no watch left
            self.close()
            self._states = self._state()

    def _nearest(self) -> str:
        """Return the directory in which the next one is missing."""
        path = self._directory
        while not os.path.isdir(path):  # noqa: PTH112
            path = os.path.dirname(path)  # noqa: PTH120
        return path

    def _directories(self, path: str, depth: int) -> Iterator[str]:
        yield path
        try:
            inside = [each.path for each in os.scandir(path) if each.is_dir() and each.name not in IGNORED]
        except OSError:
            return
        for each in sorted(inside) if depth else ():
            yield from self._directories(each, depth - 1)

    def _take(self) -> None:
        try:
            events = os.read(self._descriptor, 65536)
        except BlockingIOError:
            return
        at = 0
        while at < len(events):
            number, _, _, length = EVENT.unpack_from(events, at)
            at += EVENT.size + length
            self._note(number, os.fsdecode(events[at - length : at].rstrip(b"\0")))

    def _note(self, number: int, name: str) -> None:
        place = self._paths.get(number, self._directory)
        path = f"{place}/{name}" if name else place
        leads_there = f"{self._directory}/".startswith(f"{path}/")
        if (name in IGNORED or name.endswith(("~", ".swp", ".swx"))) or not (
            leads_there or place.startswith(self._directory)
        ):
            return
        self._last = time.monotonic()
        if self._first is None:
            self._first, self._changed = self._last, path
