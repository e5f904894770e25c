"""Deliveries: how far an observer or a notifier has been told of the stored events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from agent.errors.problem import rfc3339
from agent.model.pause import Pause

PAUSES = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
)
"""After the first, second, ... failure in a row, before a listener is told again."""
MOST_BEHIND = 10_000
"""Events that wait for one listener; what is older is skipped."""


class ListenerKind(StrEnum):
    """Kind of what is told of events."""

    OBSERVER = "observer"
    """`on_event` of a plugin, of its settings, or of a module."""
    NOTIFIER = "notifier"
    """A ``[notify.NAME]`` table."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One listener, and the last event that it was told of or passed over."""

    listener: str
    kind: ListenerKind
    plugin: str
    told: int
    """Number of the event; 0: none yet."""
    attempts: int = 0
    """Failures in a row after which there was a pause."""
    tried_at: datetime | None = None
    """When it failed last; None: it is well."""
    retry_at: datetime | None = None
    """Not told before; None: at once."""
    failed: str = ""
    """Kind of the event that it failed on last; empty: it is well."""

    def is_paused(self, now: datetime) -> bool:
        """Whether it is too early to tell it again."""
        return Pause(self.tried_at, self.retry_at, PAUSES[-1]).holds(now)

    def passed(self, event: int, kind: str) -> Self:
        """Return it after an event that it took well; an observer that failed is well once it has heard an event of that kind."""
        well = self.kind is ListenerKind.NOTIFIER or kind == self.failed
        told = replace(self, told=event, attempts=0, retry_at=None)
        return replace(told, tried_at=None, failed="") if well else told

    def failing(self, told: int, kind: str, now: datetime, *, pause: bool) -> Self:
        """Return it after a failure on an event of a kind: with a pause, or at the next event at once."""
        if not pause:
            return replace(self, told=told, attempts=0, tried_at=now, retry_at=None, failed=kind)
        span = PAUSES[min(self.attempts, len(PAUSES) - 1)]
        return replace(self, told=told, attempts=self.attempts + 1, tried_at=now, retry_at=now + span, failed=kind)

    def to_json(self, behind: int) -> dict[str, Any]:
        """Return plain JSON types. `behind`: how many events wait for it."""
        return {
            "name": self.listener,
            "kind": str(self.kind),
            "plugin": self.plugin,
            "behind": behind,
            "failed_on": self.failed or None,
            "retry_at": rfc3339(self.retry_at) if self.retry_at else None,
        }


Listeners = Mapping[str, tuple[ListenerKind, str]]
"""Kind and plugin of each listener, by its name."""
