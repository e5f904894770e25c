"""Turns of the CAs of a group, which stand in for each other: which of them is asked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.errors.source import Elsewhere
from agent.model.records import ChainRecord, OrderRecord
from agent.planning.renewal import safety_floor
from agent.registry.sources import SourceHandle

LASTING = 3
"""Failures in a row after which a CA that is out of order has been so for long: the third comes after about ten minutes."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is."""

    source: SourceHandle
    at: datetime | None
    """When it may be asked; None: not before something changes."""
    passed: tuple[SourceHandle, ...] = ()
    """Those before it, which have failed in a way that may not be so elsewhere."""
    instants: tuple[datetime, ...] = ()
    """When it may be another one's turn."""


def turn(
    members: Sequence[SourceHandle],
    orders: Mapping[str, OrderRecord],
    due: datetime,
    now: datetime,
    served: Iterable[ChainRecord] = (),
    newest: ChainRecord | None = None,
) -> Turn:
    """Return whose turn it is: the first one's, unless it has failed in a way that the next one may not.

    `members`: those that serve the request, at least one. `orders`: what became of it, by source. `due`: when a chain is to be
    asked for. `served`: chains that serve meanwhile. `newest`: what one of them has made last; a failure from before it, after
    which only a person can help, has let another one be asked then, and is tried again now.
    """
    first = members[0]
    if len(members) == 1 or due > now:
        return Turn(first, no_earlier(first, orders.get(first.name), due, now) if len(members) == 1 else due)
    floors = [safety_floor(each.not_before, each.not_after) for each in served if each.root is None]
    later: list[datetime] = []
    for number, source in enumerate(members):
        order = orders.get(source.name)
        at = due if _is_of_before(order, newest) else no_earlier(source, order, due, now)
        if at is not None and at <= now:
            return Turn(source, at, tuple(members[:number]), tuple(later))
        later += [at] if at is not None else []
        if order is None or not _may_pass(order, is_urgent=not any(now < floor for floor in floors)):
            later += [floor for floor in floors if floor > now]
            return Turn(source, at, tuple(members[:number]), tuple(later))
    return _all_failed(members, orders, due, now)


def _all_failed(
    members: Sequence[SourceHandle], orders: Mapping[str, OrderRecord], due: datetime, now: datetime
) -> Turn:
    """Return the one that may be asked first of those that have all failed."""
    at = {each.name: no_earlier(each, orders.get(each.name), due, now) for each in members}
    waiting = sorted(found for found in at.values() if found is not None)
    source = next((each for each in members if waiting and at[each.name] == waiting[0]), members[0])
    others = tuple(each for each in members if each is not source)
    return Turn(source, at[source.name], others, tuple(waiting))


def _is_of_before(order: OrderRecord | None, newest: ChainRecord | None) -> bool:
    """Whether a failure that is not tried again by itself comes from before the newest chain was made."""
    if order is None or order.retry_at is not None or order.elsewhere is Elsewhere.NEVER:
        return False
    made_at = newest.created_at if newest else None
    return made_at is not None and order.tried_at is not None and order.tried_at <= made_at


def _may_pass(order: OrderRecord, *, is_urgent: bool) -> bool:
    """Whether the next one may be asked though a failure holds this one back."""
    if order.elsewhere is Elsewhere.LASTING:
        return is_urgent or order.lasting >= LASTING
    return order.elsewhere is Elsewhere.AT_ONCE


def no_earlier(source: SourceHandle, order: OrderRecord | None, at: datetime, now: datetime) -> datetime | None:
    """Return when a source may be asked: held back after a failure, unless its settings have changed since; None: never."""
    if order is None or order.problem is None or not order.counts_for(source.settings_digest):
        return at
    if order.permanent or order.retry_at is None:
        return None
    return max(at, order.retry_at) if order.pause.holds(now) else at
