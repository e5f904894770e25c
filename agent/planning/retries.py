"""Tries of an order before what serves now ends: they come closer together. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

HOURS, MINUTES = timedelta(hours=1), timedelta(minutes=1)
LAST_TRIES = (18 * HOURS, 12 * HOURS, 6 * HOURS, 45 * MINUTES, 30 * MINUTES, 15 * MINUTES)
"""So long before a deadline there is a try at the latest: three in its last day, and three more in its last hour."""
SOONEST = 5 * MINUTES
"""A try that failed just now is one of them."""


def before_deadlines(at: datetime, now: datetime, deadlines: Iterable[datetime], earliest: datetime | None) -> datetime:
    """Return when to try again after a failure at `now`: `at`, or sooner where a deadline would come too near.

    `earliest`: what the source's CA allows, also before a deadline; None: it says nothing.
    """
    steps = (deadline - step for deadline in deadlines for step in LAST_TRIES)
    sooner = min((step for step in steps if step >= now + SOONEST), default=at)
    return min(at, max(sooner, earliest) if earliest else sooner)
