"""The agent's log: one line for each thing that is said, for people and for the systemd journal."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from enum import IntEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


class Level(IntEnum):
    """Severities, numbered as in syslog(3)."""

    ERROR = 3
    WARNING = 4
    INFO = 6


class Log:
    """Writes lines to one stream. Any thread may use it; it never raises."""

    def __init__(self, stream: TextIO, clock: Callable[[], float], *, journal: bool = False) -> None:
        self._stream = stream
        self._clock = clock
        self._journal = journal

    def say(self, text: str, level: Level = Level.INFO) -> None:
        """Write one line; what could upset a terminal is escaped."""
        start = f"<{level:d}>" if self._journal else f"{instant(self._clock())} {level.name.lower()} "
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{start}{_escaped(text)}\n")
            self._stream.flush()


class OnceLog:
    """What is said once, and again when something else was said of the same matter meanwhile."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._last: dict[str, str] = {}

    def last(self, about: str) -> str:
        """Return what was said last of a matter; empty: nothing, or it was forgotten."""
        return self._last.get(about, "")

    def say(self, about: str, text: str, level: Level = Level.ERROR) -> bool:
        """Log `text` unless it's what was said last about this; empty: forget. Return whether it is news."""
        news = text != self.last(about)
        self._last[about] = text
        if news and text:
            self._log.say(" ".join(text.split()), level)
        return news


def instant(seconds: float) -> str:
    """Return seconds since the epoch as RFC 3339 in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def reaches_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether `stream` is the journal's: ``$JOURNAL_STREAM`` names its device and inode (systemd.exec(5))."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _escaped(text: str) -> str:
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
