"""Schedule of the supervisor's next pass, with the reason: pure, from the wall clock and the monotonic clock."""

from __future__ import annotations

DUE = "something is due"
"""Reason of a pass that was planned."""
JUMP = 30.0
"""When wall clock and monotonic clock part by more seconds, somebody has set the clock, or the machine has slept."""
LOCK_SECONDS = 1.0
"""Between two looks whether another run still holds the lock."""
RETRY_SECONDS = (5.0, 30.0, 120.0, 600.0)
"""After the first, second, ... failed pass in a row."""


class Instant:
    """One moment, as both clocks show it, in seconds; the wall clock's are since the epoch."""

    __slots__ = ("monotonic", "wall")

    def __init__(self, wall: float, monotonic: float) -> None:
        self.wall = wall
        self.monotonic = monotonic


class Schedule:
    """Instant and reason of the next pass, asked for at each tick. Begins with a pass that is due."""

    def __init__(self, now: Instant) -> None:
        self._seen = now
        self._wall = now.wall
        self._retry: float | None = None
        self._why = "the agent starts"
        self._failures = 0

    def due(self, now: Instant) -> str:
        """Return why a pass is due, empty if none is. Call it at each tick, so that a clock that was set is noticed."""
        jumped = (now.wall - self._seen.wall) - (now.monotonic - self._seen.monotonic)
        self._seen = now
        if abs(jumped) > JUMP:
            return f"the clock was set by {jumped:+.0f} s"
        return self._why if self._left(now) <= 0 else ""

    def seconds(self, now: Instant, longest: float) -> float:
        """Return for how long the loop may sleep, at most `longest`."""
        return min(longest, max(0.0, self._left(now)))

    def planned(self, at: float) -> None:
        """Take over when the next pass is due, in seconds since the epoch."""
        self._wall = at
        self._retry, self._failures, self._why = None, 0, DUE

    def locked(self, now: Instant, why: str) -> None:
        """Take over that another run holds the lock; the pass stays due for the same reason."""
        self._retry, self._why = now.monotonic + LOCK_SECONDS, why

    def failed(self, now: Instant) -> float:
        """Take over that a pass failed. Return the seconds until it's tried again."""
        pause = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
        self._failures += 1
        self._retry, self._why = now.monotonic + pause, "a failed pass is tried again"
        return pause

    def _left(self, now: Instant) -> float:
        return self._wall - now.wall if self._retry is None else self._retry - now.monotonic
