"""What orders have made outside and do not need now: what is due to be taken away, and when the rest is tried again. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.model.challenge_windows import OpenWindow
from agent.model.dns_record import DnsRecord
from agent.model.pause import is_recent
from agent.planning.actions import CloseWindows, RemoveRecords

OF_NO_ORDER = timedelta(minutes=10)
"""So long a record is left alone that was made for no order: who made it removes it."""


@dataclass(frozen=True)
class Leftovers:
    """What is to be done now, and when the rest is."""

    due: tuple[RemoveRecords | CloseWindows, ...]
    instants: tuple[datetime, ...]


def removals(left: Iterable[DnsRecord], now: datetime) -> Leftovers:
    """Return what to do about records in DNS whose order nobody works at."""
    waiting: list[datetime] = []
    due: list[str] = []
    for each in left:
        if not each.request and is_recent(each.at, now, OF_NO_ORDER):
            waiting.append(each.at + OF_NO_ORDER)
        elif each.pause.holds(now) and each.retry_at:
            waiting.append(each.retry_at)
        elif not each.waits_for_settings:
            due.append(each.name)
    names = tuple(sorted(set(due)))
    return Leftovers((RemoveRecords(names),) if names else (), tuple(waiting))


def closings(left: Iterable[OpenWindow], now: datetime) -> Leftovers:
    """Return what to do about challenge windows that no order needs: each is closed at once, then after growing pauses."""
    waiting: list[datetime] = []
    due: list[str] = []
    for each in left:
        if each.pause.holds(now) and each.retry_at:
            waiting.append(each.retry_at)
        else:
            due.append(each.id)
    windows = tuple(sorted(set(due)))
    return Leftovers((CloseWindows(windows),) if windows else (), tuple(waiting))
