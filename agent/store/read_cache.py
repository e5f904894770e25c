"""A cache of what a connection has read, valid as long as nobody has changed it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from agent.store.connection import Connection

T = TypeVar("T")


class ReadCache(Generic[T]):
    """Values that were made from rows. They are forgotten when another connection has written.

    A table that changes the rows through this connection calls `forget`, and so does a rollback of such a change.
    """

    def __init__(self, database: Connection) -> None:
        self._database = database
        self._known: dict[tuple[object, ...], T] = {}
        self._version = -1

    def get(self, key: tuple[object, ...], read: Callable[[], T]) -> T:
        """Return the value of `key`, read at most once."""
        version = self._database.execute("PRAGMA data_version").fetchone()[0]  # changes with other connections' commits
        if version != self._version:
            self.forget()
            self._version = version
        if key not in self._known:
            self._known[key] = read()
        return self._known[key]

    def forget(self) -> None:
        """Read everything again."""
        self._known.clear()
