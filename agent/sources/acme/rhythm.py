"""How long a CA takes for a step, learned from what it took before: so that it's asked neither late nor in vain."""

from __future__ import annotations

import threading
from collections.abc import Sequence

FIRST = 0.05
"""Seconds until the first look at a CA of which nothing is known."""
SHORTEST, LONGEST = 0.02, 5.0
"""Seconds between two looks where the CA does not say."""
GROWTH = 1.6
WEIGHT = 0.25
"""Of the newest duration (a running mean, and a running mean deviation, as in RFC 6298)."""
EARLIER = 0.9
"""Part of the pause that a step is taken to have lasted that was found done at the first look: it's tried to look earlier."""
MUCH_EARLIER = 0.5
"""Part of the time that the CA asks to wait: it's looked earlier only where it has mostly been done by then."""


class Rhythm:
    """Durations of one step at one CA. May be used from several threads."""

    def __init__(self, known: Sequence[float] = ()) -> None:
        """`known`: what another one had learned, `learned`."""
        self._lock = threading.Lock()
        self._mean: float | None = known[0] if known else None
        self._deviation = known[1] if known else 0.0

    @property
    def learned(self) -> tuple[float, ...]:
        """Mean and mean deviation in seconds; empty: nothing is known."""
        with self._lock:
            return () if self._mean is None else (self._mean, self._deviation)

    def learn(self, not_before: float, done_by: float) -> None:
        """Take account of one more duration: it was still going on at `not_before`, and was found done at `done_by`.

        Both in seconds from its beginning; `not_before` is 0 where it was done at the first look.
        """
        seconds = (not_before + done_by) / 2 if not_before else done_by * EARLIER
        with self._lock:
            if self._mean is None:
                self._mean, self._deviation = seconds, seconds / 2
            else:
                self._deviation += WEIGHT * (abs(seconds - self._mean) - self._deviation)
                self._mean += WEIGHT * (seconds - self._mean)

    def pauses(self) -> Pauses:
        """Return the pauses of one order: the first until it may well be done, then short ones that grow."""
        with self._lock:
            if self._mean is None:
                return Pauses(FIRST, FIRST * GROWTH)
            return Pauses(_within(self._mean - self._deviation / 2), _within(self._deviation * 0.75))


class Pauses:
    """How long to wait before each look at one order."""

    def __init__(self, first: float, second: float) -> None:
        self.obeyed = False
        """Whether the last one was what the CA asked for: nobody knows how much earlier it was done."""
        self._first = True
        self._next, self._after = first, second

    def next(self, asked: float | None) -> float:
        """Return seconds; `asked`: what the CA asked for in its last answer.

        The CA gets its way, but for the first look, and that only where it takes much less time than it says, as far as is
        known. Before anything is known it is looked early once: many a CA asks for more than it takes.
        """
        own, first = self._next, self._first
        self._first, self._next, self._after = False, self._after, _within(self._after * GROWTH)
        self.obeyed = asked is not None and not (first and own < asked * MUCH_EARLIER)
        return own if asked is None or not self.obeyed else asked


def _within(seconds: float) -> float:
    return min(max(seconds, SHORTEST), LONGEST)
