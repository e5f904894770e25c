"""What a page shows once: kept between a form and the page after it, so that a reload neither repeats nor shows it again."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

KEPT = 60.0
"""Seconds: a browser follows at once."""
MOST = 32
"""Of all sessions; the oldest is forgotten first."""


class ShownOnce:
    """Values by word, in memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[str, Mapping[str, Any], float]] = {}

    def keep(self, session: str, value: Mapping[str, Any]) -> str:
        """Return the word by which the same session gets `value`."""
        self.expire()
        while len(self._kept) >= MOST:
            self._kept.pop(next(iter(self._kept)))
        word = secrets.token_urlsafe(16)
        self._kept[word] = (session, value, self._clock() + KEPT)
        return word

    def expire(self) -> None:
        """Drop what nobody has come for in time."""
        self._kept = {word: each for word, each in self._kept.items() if self._clock() < each[2]}

    def take(self, session: str, word: str) -> Mapping[str, Any] | None:
        """Return a value and forget it; None where it was taken, is too old, or is another session's."""
        owner, value, until = self._kept.get(word, ("", {}, 0.0))
        if not owner or owner != session:
            return None
        del self._kept[word]
        return value if self._clock() < until else None
