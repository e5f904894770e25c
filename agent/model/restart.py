"""Starts of services by the agent: one that ends again and again is started after pauses that grow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.model.pause import Pause, is_recent

PAUSES = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(seconds=20),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=10),
)
"""After the first, second, ... start in a row: a service that ends once is started again at once."""
STEADY = timedelta(minutes=10)
"""A service that has run for so long is well: its next end is the first one."""


@dataclass(frozen=True, slots=True)
class Restart:
    """The last start of a service."""

    service: str
    count: int
    """Starts in a row, each before the service had run steadily."""
    at: datetime

    @property
    def pause(self) -> Pause:
        """Pause before the next start."""
        wait = PAUSES[min(max(self.count, 1), len(PAUSES)) - 1]
        return Pause(self.at, self.at + wait, PAUSES[-1])

    def counts(self, now: datetime) -> bool:
        """Whether an end now would be another one of the same row."""
        return is_recent(self.at, now, STEADY + (self.pause.until or self.at) - self.at)


def started_again(last: Restart | None, service: str, now: datetime) -> Restart:
    """Return the row of a service that is started now."""
    return Restart(service, last.count + 1 if last and last.counts(now) else 1, now)
