"""Hand-over from a chain that ends soon to the next one. Pure, and cheap to import: a status needs nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent.model.records import ChainRecord

LEAST_MARGIN = timedelta(hours=1)
"""Least time before its end at which a chain hands over, where its lifetime is six hours or more."""


def margin(not_before: datetime, not_after: datetime) -> timedelta:
    """Return how long before its end a chain hands over: a twentieth of its lifetime, an hour at least.

    Of a lifetime under six hours it is a sixth. `agent.planning.renewal.safety_floor` comes before, with time for some tries.
    """
    lifetime = not_after - not_before
    return max(lifetime / 20, min(LEAST_MARGIN, lifetime / 6))


def hands_over_at(not_before: datetime, not_after: datetime) -> datetime:
    """Return the instant from which a chain serves only where no other one that lasts longer can be had."""
    return not_after - margin(not_before, not_after)


def last_hour_at(not_before: datetime, not_after: datetime) -> datetime:
    """Return the instant from which a chain gives way even to one that ends soon as well, but later."""
    return not_after - min(LEAST_MARGIN, margin(not_before, not_after))


def ends_soon(record: ChainRecord, now: datetime) -> bool:
    """Whether a chain is inside its margin, or past its end: it serves only where nothing else that is good can be had."""
    return now >= hands_over_at(record.not_before, record.not_after)


def serves_on(record: ChainRecord | None, now: datetime) -> bool:
    """Whether a chain is good, and not about to hand over."""
    return record is not None and record.good(now) and not ends_soon(record, now)


def urgency(record: ChainRecord, now: datetime) -> tuple[int, float]:
    """Return by what chains are sorted before the ladder: 0 outside the margin, 1 inside, 2 in the last hour.

    In its last hour a chain gives way to whatever ends later: when it has ended, it is too late to deploy another one.
    """
    if not ends_soon(record, now):
        return 0, 0.0
    if now < last_hour_at(record.not_before, record.not_after):
        return 1, 0.0
    return 2, -record.not_after.timestamp()


def turning_points(record: ChainRecord) -> tuple[datetime, ...]:
    """Return the instants at which the place of a chain changes by time alone."""
    begin, end = record.not_before, record.not_after
    return hands_over_at(begin, end), last_hour_at(begin, end), end


def deadlines_of(record: ChainRecord) -> tuple[datetime, datetime]:
    """Return the instants before which a chain had better be replaced: its hand-over to a lower rung, and its end."""
    return hands_over_at(record.not_before, record.not_after), record.not_after
