"""When a CA wants to be asked again: ``Retry-After`` (RFC 9110 section 10.2.3), and the dates in its words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

IN_WORDS = re.compile(r"retry after (\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d) ?(?:UTC|Z)")
"""As Boulder writes it into the detail of ``rateLimited``."""
LONGEST = 366 * 86400.0
"""Seconds; what asks for more means nothing."""
SHORTEST_POLL, LONGEST_POLL = 1.0, 60.0
"""Seconds between two looks at an order, whatever the CA says."""


def http_date(value: str | None) -> datetime | None:
    """Return an HTTP date (RFC 9110 section 5.6.7) as UTC; None: it is none."""
    try:
        moment = parsedate_to_datetime(value or "")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # a year that only its own time zone has
        return None


def seconds_until(value: str | None, there: datetime) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, none of them negative; None: it asks for nothing.

    `there` is the present instant by the CA's clock, which a date is meant by.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST)
    return _until(http_date(text), there)


def seconds_in_words(detail: str, there: datetime) -> float | None:
    """Return the seconds until the date that a problem's detail names; None: it names none."""
    found = IN_WORDS.search(detail)
    return _until(_instant(found[1]) if found else None, there)


def polled(seconds: float | None) -> float | None:
    """Return how long to wait before an order is looked at again: what the CA asks for, within reason."""
    return None if seconds is None else min(max(seconds, SHORTEST_POLL), LONGEST_POLL)


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def _until(moment: datetime | None, there: datetime) -> float | None:
    return None if moment is None else min(max((moment - there).total_seconds(), 0.0), LONGEST)
