"""A limit of a CA is near, or reached: the agent waits by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property

from agent.errors.acme import BY_ITSELF, WHERE
from agent.errors.source import Elsewhere, SourceError


class LimitError(SourceError):
    """The CA was not asked, because one more would be over a limit of it."""

    code = "source.limit"
    elsewhere = Elsewhere.AT_ONCE
    counts = False
    where = WHERE

    @cached_property
    def earliest(self) -> datetime | None:
        """When the limit allows one more."""
        return self.retry_at


class RateLimitAhead(LimitError):
    """One more would be more than the CA allows within a time. `used_up`: "5 of 5 new orders in 3 hours are used up"."""

    code = "source.rate_limit_ahead"
    cause = "{used_up} at {ca}; the next is allowed at {retry_at:time}."
    ca: str
    used_up: str
    retry_at: datetime
    fix: str
    failed: frozenset[str] = frozenset()


class RateLimitInForce(LimitError):
    """The CA has refused something before, and said for how long."""

    code = "source.rate_limit_in_force"
    cause = "{ca} has asked to wait with {what} until {retry_at:time}."
    fix = BY_ITSELF
    ca: str
    what: str
    retry_at: datetime
    failed: frozenset[str] = frozenset()


def in_words(window: timedelta) -> str:
    """Return a time in whole days, hours or minutes: ``7 days``."""
    seconds = int(window.total_seconds())
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds % length == 0:
            number = seconds // length
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{seconds} seconds"
