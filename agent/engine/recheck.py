"""Which endpoints a pass looks at, beside those that are due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

from agent.model.deployment import EndpointRecord

AT_ONCE = 64
"""Endpoints that a person waits for. A handshake takes a few milliseconds, and there may be thousands of names."""
NEVER = datetime.min.replace(tzinfo=UTC)


class Recheck(StrEnum):
    """What is looked at however recently it was looked at."""

    NOTHING = "nothing"
    """For timers, and for the daemon when something else is due."""
    SAMPLE = "sample"
    """Each address, and the oldest evidence: for persons, and when a process has ended. All endpoints where they are few."""
    ALL = "all"
    """What was seen by another process, or before a reboot, proves nothing."""


def to_recheck(endpoints: Sequence[EndpointRecord], how: Recheck) -> list[EndpointRecord]:
    """Return the endpoints to look at at once, the oldest evidence first."""
    if how is Recheck.NOTHING:
        return []
    oldest = sorted(endpoints, key=lambda each: each.checked_at or NEVER)
    if how is Recheck.ALL or len(oldest) <= AT_ONCE:
        return oldest
    one_each = {(each.module, each.address): each for each in reversed(oldest)}
    chosen = {(each.module, each.key): each for each in (*one_each.values(), *oldest)}
    return list(chosen.values())[: max(AT_ONCE, len(one_each))]
