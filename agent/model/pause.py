"""Pauses: what is not to be done before an instant, so that no wrong clock makes one last.

Cheap to import, as `agent.model.resolved` is, which needs it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

BACK_OFF = (timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=100), timedelta(days=1))
"""After the first, second, ... failure in a row."""
TOLERANCE = timedelta(minutes=1)
"""By how much the clock may have been set back, or another process may have read it later, without anything being due for it."""
AHEAD = timedelta(hours=1)
"""What was done so far in the future, or less far, still counts as done: the clock was set back a little."""
LONGEST_TRY = BACK_OFF[-1]
"""Of what a service refused, and of what the root could not sign."""
LONGEST_ORDER = timedelta(days=31)
"""Of an order that failed. A limit of a CA holds for eight days at most; a plugin's source may ask for more, and gets a month."""
LONGEST_INQUIRY = timedelta(days=31)
"""Between two inquiries about a chain. ACME's are a day apart at most; a plugin's source may want to be left alone for longer."""
LONGEST_LIST = timedelta(days=1)
"""Between two looks at a list of revoked certificates, whatever it says."""
LONGEST_LOOK = timedelta(days=7)
"""Between two looks at an endpoint: the most that `[probe] interval` allows."""


class Pause(NamedTuple):
    """When something was tried last, and before when it is not tried again."""

    begun: datetime | None
    """None: it isn't known; an earlier version has not noted it."""
    until: datetime | None
    """None: there is no pause."""
    longest: timedelta

    def holds(self, now: datetime) -> bool:
        """Whether it is too early to try again.

        One that begins in the future, or ends further ahead than the longest of its kind, was noted under a wrong clock.
        """
        if self.until is None or (self.begun is not None and self.begun > now + TOLERANCE):
            return False
        return now < self.until <= now + self.longest + TOLERANCE


def back_off(attempts: int) -> timedelta:
    """Return how long to wait after `attempts` failures in a row."""
    return BACK_OFF[min(max(attempts, 1), len(BACK_OFF)) - 1]


def is_recent(since: datetime, now: datetime, within: timedelta) -> bool:
    """Whether something was done so lately. What lies in the future says nothing: the clock was set back."""
    return Pause(since, since + within, within).holds(now)
