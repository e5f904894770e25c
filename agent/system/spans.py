"""Lengths of time in words, rounded in one way wherever they are told."""

from __future__ import annotations

from datetime import datetime, timedelta

UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def span(length: timedelta) -> str:
    """Return a length in its largest unit that is used at least twice: ``61 days``, ``36 hours``, ``90 seconds``."""
    seconds = round(abs(length).total_seconds())
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= 2 * size), UNITS[-1])
    count = round(seconds / size)
    return f"{count} {unit}{'' if count == 1 else 's'}"


def when(moment: datetime, now: datetime) -> str:
    """Return an instant as seen from `now`: ``in 61 days``, ``now``, ``5 minutes ago``."""
    if abs(moment - now) < timedelta(seconds=1):
        return "now"
    return f"in {span(moment - now)}" if moment > now else f"{span(now - moment)} ago"
