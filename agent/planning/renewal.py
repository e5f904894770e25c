"""Instants at which a chain is renewed when its CA suggests none. When it hands over before its end: `agent.model.handover`."""

from __future__ import annotations

from datetime import datetime, timedelta

SHORT_LIVED = timedelta(days=10)


def safety_floor(not_before: datetime, not_after: datetime) -> datetime:
    """Return the last instant to which a renewal can be put off: a sixth of the lifetime left, a quarter of a short one."""
    lifetime = not_after - not_before
    return not_after - lifetime / (4 if lifetime < SHORT_LIVED else 6)


def renewal_instant(not_before: datetime, not_after: datetime) -> datetime:
    """Return the instant at which a third of the lifetime is left; a half when it is under ten days.

    Never a fixed number of days: lifetimes shrink, and an interval that fits today's is wrong for tomorrow's.
    """
    lifetime = not_after - not_before
    left = lifetime / 2 if lifetime < SHORT_LIVED else lifetime / 3
    return not_after - left
