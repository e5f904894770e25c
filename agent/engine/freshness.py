"""Check whether a pass could find anything to do at all, for a run that has nothing to do.

A pass that left nothing undone stores what it relied on: the state of every file that it read, the host's name and
addresses, and until when nothing becomes due. While all of that is as it was, another pass would do nothing. Any change in the
store makes the database forget it (`agent.store.migrations.m004_trust`).

Only what Python has loaded anyway, SQLite and sockets: the whole run takes as long as importing pydantic's first tenth.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable

from agent.engine import evidence
from agent.engine.due_names import due_names, looked_up
from agent.system.disk import shortages
from agent.system.fingerprint import digest_of, facts, states
from agent.system.paths import DATABASE, database_uri, is_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.system.resolving import Resolve

KEY, EVIDENCE = "trusted", evidence.KEY
LONGEST = 86400.0
"""Seconds for which it is believed that nothing is due, whatever was planned: the clock of that pass may have been wrong."""


class UpToDate:
    """State that the last pass left: nothing is due before `until`."""

    def __init__(self, since: float, until: float | None, attention: int) -> None:
        self.since = since
        self.until = until
        """Seconds since the epoch; None: nothing is planned at all."""
        self.attention = attention
        """How many things need attention."""

    def holds(self, now: float) -> bool:
        """Whether nothing is due at `now`. A clock that was set back lets a pass look at everything."""
        return self.since <= now < self.since + LONGEST and (self.until is None or now < self.until)


class InputsFingerprint:
    """Fingerprint of all that one pass reads. Make it before anything is read, so that no change meanwhile is missed."""

    def __init__(self, root: str) -> None:
        self._facts = "\n".join(facts(root))
        self._room = _room(root)
        self._more: list[str] = []
        self._seen = ""

    @property
    def digest(self) -> str:
        """Return the SHA-256 of what every pass reads, whatever the settings say."""
        return digest_of(self._facts)

    def add(self, paths: Iterable[str]) -> None:
        """Add files and directories that only the loaded settings name."""
        self._more = sorted(set(paths))
        self._seen = "\n".join(states(self._more))

    def record(self, fresh: UpToDate) -> str:
        """Return what is kept in the database."""
        head = f"{fresh.since!r} {fresh.until!r} {fresh.attention}"
        return "\0".join([head, "\n".join(self._more), self._facts, self._room, self._seen])


def still_fresh(root: str, now: float, *, look: bool = False, resolve: Resolve | None = None) -> UpToDate | None:
    """Return what the last pass left, if another one at `now` (seconds since the epoch) would do nothing.

    `look`: a person asks; what was seen is looked at again. `resolve`: looks a host name up; None: as this machine does.
    """
    kept, seen, names = _kept(os.path.join(root, DATABASE), now, look)  # noqa: PTH118 - pathlib takes a third of the time that this may take
    if not kept or not seen:
        return None
    try:
        fresh, more = read_up_to_date(kept)
    except ValueError:  # the row is damaged
        return None
    if not fresh.holds(now):
        return None
    try:
        fingerprint = InputsFingerprint(root)
    except OSError:
        return None
    fingerprint.add(more)
    if fingerprint.record(fresh) != kept or not evidence.still_holds(root, seen, now, look=look):
        return None
    return fresh if _are_as_before(names, now, resolve) else None


def _are_as_before(names: list[dict[str, Any]], now: float, resolve: Resolve | None) -> bool:
    """Whether the host names that are due have the addresses that they had."""
    try:
        return looked_up(names, now, resolve) is not None
    except (ValueError, TypeError, KeyError, AttributeError):  # a row is damaged
        return False


def read_up_to_date(kept: str) -> tuple[UpToDate, list[str]]:
    """Read what is kept in the database: what a pass left, and the files that only its settings name. Raises ValueError."""
    head, more, *_ = kept.split("\0")
    since, until, attention = head.split(" ")
    fresh = UpToDate(float(since), None if until == "None" else float(until), int(attention))
    return fresh, more.split("\n") if more else []


def _kept(path: str, now: float, look: bool) -> tuple[str, str, list[dict[str, Any]]]:
    """Return what the last pass stored of what it read and saw, and the host names that are due; for `look` those that failed.

    Empty when it can't be read: then a pass says why.
    """
    nothing: tuple[str, str, list[dict[str, Any]]] = "", "", []
    if not is_regular(path):
        return nothing
    try:
        connection = sqlite3.connect(database_uri(path, read_only=True), uri=True)
    except sqlite3.Error:
        return nothing
    try:
        rows = dict(connection.execute("select key, value from meta where key in (?, ?)", [KEY, EVIDENCE]).fetchall())
        names = due_names(connection, now, failing=look)
    except sqlite3.Error:
        return nothing
    finally:
        connection.close()
    return str(rows.get(KEY, "")), str(rows.get(EVIDENCE, "")), names


def _room(root: str) -> str:
    """Return a line that changes when a disk gets full: the next run then looks at everything."""
    return f"room {' '.join(each.mount for each in shortages(root))}"
