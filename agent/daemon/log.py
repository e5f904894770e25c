"""The daemon's log: one line for each event, for people and for the systemd journal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import IntEnum
from typing import TextIO

from agent.errors import AgentError
from agent.errors.problem import rfc3339
from agent.errors.wording import escaped
from agent.model.events import Event, EventKind


class Level(IntEnum):
    """Severities, numbered as in syslog(3)."""

    ERROR = 3
    WARNING = 4
    INFO = 6


LEVELS = {
    EventKind.BROKEN: Level.ERROR,
    EventKind.MODULE_FAILED: Level.ERROR,
    EventKind.PLUGIN_FAILED: Level.ERROR,
    EventKind.CHAIN_REVOKED: Level.WARNING,
    EventKind.DRIFT: Level.WARNING,
    EventKind.ORDER_FAILED: Level.WARNING,
    EventKind.REFUSED: Level.WARNING,
    EventKind.ROLLED_BACK: Level.WARNING,
    EventKind.WAITING: Level.WARNING,
}
UNLOGGED = {EventKind.PASS_STARTED, EventKind.PASS_ENDED, EventKind.SETTINGS_REFUSED}
"""The daemon says these itself: why it makes a pass, and each error of the settings."""


class Log:
    """Writes lines to one stream. Any thread may use it; it never raises."""

    def __init__(self, stream: TextIO, clock: Callable[[], datetime], *, journal: bool = False) -> None:
        self._stream = stream
        self._clock = clock
        self._journal = journal

    def say(self, text: str, level: Level = Level.INFO) -> None:
        """Write one line; what could upset a terminal is escaped."""
        start = f"<{level:d}>" if self._journal else f"{rfc3339(self._clock())} {level.name.lower()} "
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{start}{escaped(text)}\n")
            self._stream.flush()

    def error(self, error: AgentError) -> None:
        """Write an expected error, in one line."""
        self.say(" ".join(" ".join(error.problem.lines()).split()), Level.ERROR)

    def event(self, event: Event) -> None:
        """Write an event as ``key=value``; for the bus."""
        if event.kind in UNLOGGED:
            return
        pairs = {"event": str(event.kind), "module": event.module, "job": event.job}
        shown = [f"{key}={value}" for key, value in pairs.items() if value]
        self.say(" ".join((*shown, f'text="{event.text}"')), LEVELS.get(event.kind, Level.INFO))


def reaches_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether `stream` is the journal's: ``$JOURNAL_STREAM`` names its device and inode (systemd.exec(5))."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
