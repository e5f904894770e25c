"""Time of a simulated appliance: the true time, and what the clocks of its machine show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agent.system.clock_judgement import Reading

BEGIN = datetime(2026, 12, 1, 6, tzinfo=UTC)
"""First instant of every story: after the release."""


class MachineClock:
    """Clocks of a machine beside the true time, which only the simulation knows: in place of the kernel's."""

    def __init__(self, begin: datetime = BEGIN) -> None:
        self.true = begin
        self.ahead = timedelta()
        """By how much the wall clock is ahead of the true time."""
        self.synchronised = False
        """Whether NTP keeps it."""
        self._booted, self._boots = begin, 0

    def __call__(self) -> Reading:
        """Return what the clocks show."""
        since_boot = (self.true - self._booted).total_seconds()
        return Reading(self.wall.timestamp(), since_boot, f"boot {self._boots}")

    def is_synchronised(self) -> bool:
        """Whether the kernel says that NTP keeps the clock."""
        return self.synchronised

    @property
    def wall(self) -> datetime:
        """Return what the wall clock shows."""
        return self.true + self.ahead

    def boot(self) -> None:
        """Begin to count the time since boot; what the wall clock shows stays."""
        self._booted, self._boots = self.true, self._boots + 1

    def advance_to(self, at: datetime) -> None:
        """Let time pass, a suspend too. Never backwards: the true time does not."""
        self.true = max(self.true, at)
