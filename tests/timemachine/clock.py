"""Time of a simulated appliance: the true time, and what its clock shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

BEGIN = datetime(2026, 12, 1, 6, tzinfo=UTC)
"""First instant of every story: after the release."""


class Clock:
    """Wall clock of an appliance beside the true time, which only the simulation knows."""

    def __init__(self, begin: datetime = BEGIN) -> None:
        self.true = begin
        self.ahead = timedelta()
        """By how much the wall clock is ahead of the true time."""

    def __call__(self) -> datetime:
        """Return what the wall clock shows."""
        return self.true + self.ahead

    def advance_to(self, at: datetime) -> None:
        """Let time pass. Never backwards: the true time does not."""
        self.true = max(self.true, at)
