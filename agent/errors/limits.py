"""A limit of a CA is near, or reached: the agent waits by itself."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import ClassVar

from agent.errors.problem import rfc3339
from agent.errors.source import SourceError


class LimitError(SourceError):
    """The CA was not asked, because it allows so much and no more."""

    code = "source.limit"
    counts: ClassVar[bool] = False


class RateLimitAhead(LimitError):
    """One more would be more than the CA allows within a time."""

    code = "source.rate_limit_ahead"

    def __init__(self, ca: str, used_up: str, retry_at: datetime, fix: str, failed: Collection[str] = ()) -> None:
        """`used_up`: "5 of 5 new orders in 3 hours are used up"."""
        super().__init__(
            f"{used_up} at {ca}; the next is allowed at {rfc3339(retry_at)}.",
            where="acme",
            fix=fix,
            retry_at=retry_at,
        )
        self.failed = frozenset(failed)


class RateLimitInForce(LimitError):
    """The CA has refused something before, and said for how long."""

    code = "source.rate_limit_in_force"

    def __init__(self, ca: str, what: str, retry_at: datetime, failed: Collection[str] = ()) -> None:
        super().__init__(
            f"{ca} has asked to wait with {what} until {rfc3339(retry_at)}.",
            where="acme",
            fix="Nothing is to be done: it goes on by itself then.",
            retry_at=retry_at,
        )
        self.failed = frozenset(failed)


def in_words(window: timedelta) -> str:
    """Return a time in whole days, hours or minutes: ``7 days``."""
    seconds = int(window.total_seconds())
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds % length == 0:
            number = seconds // length
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{seconds} seconds"
