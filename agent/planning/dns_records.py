"""Records in DNS that no order needs any more: which are to be removed now, and when the others are tried again. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.model.dns_record import DnsRecord
from agent.model.pause import is_recent
from agent.planning.actions import RemoveRecords

OF_NO_ORDER = timedelta(minutes=10)
"""So long a record is left alone that was made for no order: who made it removes it."""


@dataclass(frozen=True)
class Removals:
    """What is to be removed now, and when the rest is."""

    due: tuple[RemoveRecords, ...]
    instants: tuple[datetime, ...]


def removals(left: Iterable[DnsRecord], now: datetime) -> Removals:
    """Return what to do about records whose order nobody works at."""
    waiting: list[datetime] = []
    due: list[str] = []
    for each in left:
        if not each.request and is_recent(each.at, now, OF_NO_ORDER):
            waiting.append(each.at + OF_NO_ORDER)
        elif each.pause.holds(now) and each.retry_at:
            waiting.append(each.retry_at)
        else:
            due.append(each.name)
    names = tuple(sorted(set(due)))
    return Removals((RemoveRecords(names),) if names else (), tuple(waiting))
