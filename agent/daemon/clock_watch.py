"""What the agent that waits does about the clock: it sees when a doubt begins or ends, and keeps what is remembered fresh."""

from __future__ import annotations

import time

from agent.daemon.schedule import Instant
from agent.system.clock import Clock

DAY = 86400.0


class ClockWatch:
    """The clock of the supervisor, looked at on each tick."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kind = self._doubt()

    def now(self) -> Instant:
        """Return the present instant by what is believed, and by the monotonic clock."""
        return Instant(self._clock.seconds(), time.monotonic())

    def news(self) -> str:
        """Say what has become of the clock since it was looked at last; a pass notes it. Empty: nothing."""
        before, self._kind = self._kind, self._doubt()
        if self._kind == before:
            self._clock.touch(DAY)
            return ""
        return "the machine's clock isn't believed" if self._kind else "the machine's clock is believed again"

    def end(self) -> None:
        """Remember the instant: the machine may be switched off now."""
        self._clock.touch()

    def _doubt(self) -> str:
        doubt = self._clock.doubt
        return doubt.kind if doubt else ""
