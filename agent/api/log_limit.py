"""Limit of lines in a log: a flood of requests must not become a flood of lines."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

LINES = 60
"""That a log gets in each `SECONDS`."""
SECONDS = 60.0


class LogLimit(logging.Filter):
    """Filter that drops what is too much, and tells how much it was with the next line that gets through."""

    def __init__(
        self, lines: int = LINES, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._lines = lines
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._since = clock()
        self._written = self._dropped = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line is written."""
        with self._lock:
            now = self._clock()
            if now >= self._since + self._seconds:
                self._since, self._written = now, 0
            self._written += 1
            if self._written > self._lines:
                self._dropped += 1
                return False
            if self._dropped:
                record.msg = f"{record.getMessage()} (before this, {self._dropped} further lines were left out)"
                record.args = None
                self._dropped = 0
            return True


def limit_log() -> None:
    """Limit what the process logs, once."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(each, LogLimit) for each in handler.filters):
            handler.addFilter(LogLimit())
