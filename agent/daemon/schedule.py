"""Schedule of the daemon's next pass, with the reason: pure, from the wall clock and the monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.planning import Inquire, Obtain, Plan

LATEST = timedelta(hours=12)
"""A pass is made after so long even if nothing seems to be due."""
SOONEST = timedelta(seconds=1)
"""Between two passes that nobody asked for."""
LEFT_OVER = timedelta(minutes=1)
"""After a pass that left something to do that needs no network."""
JUMP = timedelta(seconds=30)
"""When wall clock and monotonic clock part by more, somebody has set the clock, or the machine has slept."""
LOCK_SECONDS = 1.0
"""Between two looks whether another run still holds the lock."""
RETRY_SECONDS = (5.0, 30.0, 120.0, 600.0)
"""After the first, second, ... failed pass in a row."""


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment, as both clocks show it."""

    wall: datetime
    monotonic: float


class Schedule:
    """Instant and reason of the next pass, asked for at each tick. Begins with a pass that is due."""

    def __init__(self, now: Instant) -> None:
        self._seen = now
        self._wall: datetime | None = now.wall
        self._retry: float | None = None
        self._why = "the agent starts"
        self._failures = 0

    def due(self, now: Instant) -> str:
        """Return why a pass is due, empty if none is. Call it at each tick, so that a clock that was set is noticed."""
        jumped = (now.wall - self._seen.wall) - timedelta(seconds=now.monotonic - self._seen.monotonic)
        self._seen = now
        if abs(jumped) > JUMP:
            return f"the clock was set by {jumped.total_seconds():+.0f} s"
        if self._retry is not None:
            return self._why if now.monotonic >= self._retry else ""
        return self._why if self._wall is not None and now.wall >= self._wall else ""

    def seconds(self, now: Instant, longest: float) -> float:
        """Return for how long the loop may sleep, at most `longest`."""
        if self._retry is not None:
            left = self._retry - now.monotonic
        else:
            left = (self._wall - now.wall).total_seconds() if self._wall is not None else longest
        return min(longest, max(0.0, left))

    def planned(self, made: Plan, now: datetime) -> datetime:
        """Take over when a pass's plan wants the next one. Return that instant."""
        instants = [now + LATEST, *([made.next_at] if made.next_at else [])]
        if not all(isinstance(action, Obtain | Inquire) for action in made.actions):
            instants.append(now + LEFT_OVER)
        self._wall = max(min(instants), now + SOONEST)
        self._retry, self._failures, self._why = None, 0, "something is due"
        return self._wall

    def locked(self, now: Instant, why: str) -> None:
        """Take over that another run holds the lock; the pass stays due for the same reason."""
        self._retry, self._why = now.monotonic + LOCK_SECONDS, why

    def failed(self, now: Instant) -> float:
        """Take over that a pass failed. Return the seconds until it's tried again."""
        pause = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
        self._failures += 1
        self._retry, self._why = now.monotonic + pause, "a failed pass is tried again"
        return pause
