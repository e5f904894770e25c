"""Clocks of a machine that a test moves: the time of day, the time since boot, and whether NTP keeps the former."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent.system.clock_judgement import Reading


class FakeKernel:
    """`agent.system.clock.Kernel`."""

    def __init__(self, now: datetime, *, uptime: float = 600.0, synchronised: bool = False) -> None:
        self.wall = now.timestamp()
        self.uptime = uptime
        self.boots = 1
        self.synchronised = synchronised

    def __call__(self) -> Reading:
        return Reading(self.wall, self.uptime, f"boot {self.boots}")

    def is_synchronised(self) -> bool:
        return self.synchronised

    def passes(self, time: timedelta) -> None:
        """Let time pass, asleep or awake."""
        self.wall += time.total_seconds()
        self.uptime += time.total_seconds()

    def is_set(self, at: datetime) -> None:
        """Set the time of day: the kernel no longer says that NTP keeps it."""
        self.wall = at.timestamp()
        self.synchronised = False

    def boot(self, at: datetime) -> None:
        """Boot again, with another time of day."""
        self.is_set(at)
        self.uptime = 20.0
        self.boots += 1
