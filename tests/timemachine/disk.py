"""A disk that is full now and then: what makes a file, a directory or a link below it fails, and SQLite can't grow."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

MAKING = frozenset(("os.mkdir", "os.link", "os.symlink"))
"""Audit events (PEP 578) of what needs space."""


class Disk:
    """One directory that can be full. A hook can't be taken away again, so there is one for all of them."""

    _all: ClassVar[list[Disk]] = []
    _hooked: ClassVar[bool] = False

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.full = False
        self._opened = threading.local()
        """Databases that this thread has opened and that can still grow: one can't be told so before it is open."""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch what is made there."""
        if not Disk._hooked:
            Disk._hooked = True
            sys.addaudithook(_look)
        Disk._all.append(self)
        try:
            yield
        finally:
            Disk._all.remove(self)

    def look(self, event: str, arguments: tuple[object, ...]) -> None:
        """Fail as a full disk does. Raises OSError."""
        self._limit()
        if event == "sqlite3.connect/handle":
            self._opened.last = arguments[0]
        elif event in MAKING:
            self._refuse(*arguments[:2])
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT:
            self._refuse(arguments[0])

    def _limit(self) -> None:
        """Keep the database that was opened last from growing. It comes before the first row: its key is read then."""
        connection = getattr(self._opened, "last", None)
        if connection is not None:
            self._opened.last = None
            with contextlib.suppress(sqlite3.ProgrammingError):  # closed by now
                connection.execute("PRAGMA max_page_count = 1")

    def _refuse(self, *paths: object) -> None:
        for path in paths:
            if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.root):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))


def _look(event: str, arguments: tuple[object, ...]) -> None:
    for disk in Disk._all:
        if disk.full:
            disk.look(event, arguments)
