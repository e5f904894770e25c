"""The look at the records of a source's names: with its account, which is made where there is none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.errors.persist import NotTaken, PersistError, ServersSilent
from agent.model.persistent import UNSEEN, PersistentLook, owner_of
from agent.sources.acme.ca_context import ca_context_of
from agent.sources.acme.failures import CaProblem, CaUnreachable
from agent.sources.acme.persist.account import PersistAccount, account_at, is_announced
from agent.sources.acme.persist.judging import Wanted
from agent.sources.acme.persist.looking import Said, Sighting, Zone, look_up
from agent.sources.acme.persist.zone import zones_of
from agent.system.names import is_wildcard

if TYPE_CHECKING:
    from agent.contract.source import SourceContext
    from agent.sources.acme.ca_context import CaContext
    from agent.sources.acme.messages import Account
    from agent.sources.acme.source import AcmeSource

WANTED = timedelta(minutes=5)
"""Between the first two looks, while a record is missing that somebody waits for."""
IDLE = timedelta(hours=1)
"""The same, while nobody waits."""
LONGEST_WANTED = timedelta(hours=4)
"""Between two looks, when nobody has set a missing record for long."""
GROWTH = 1.25
"""Of the pause from look to look: a record is seen when a quarter more has passed than has until it was set."""
MOST_TIME = timedelta(minutes=4)
"""For the looks of one go; what is left is looked at in the next one."""
WELL = timedelta(hours=6)
"""Between two looks at a record that is right."""


def look_at(
    source: AcmeSource, asked: Sequence[PersistentLook], waiting: Collection[str], context: SourceContext
) -> list[PersistentLook]:
    """Return what the zones have now for names of `asked`. `waiting`: those for which somebody waits. Raises `SourceError`."""
    ca = ca_context_of(source, context)
    try:
        refuse_if_not_taken(source, ca, context)
        account = persist_account(source, ca, context, ca.account(context))
    except (CaProblem, CaUnreachable) as error:
        raise ca.translated(error, frozenset(), context.now()) from error
    zone, begun = zones_of(source, context), context.now()
    found = []
    for each in asked:
        if context.cancelled or context.now() - begun > MOST_TIME:
            break
        found.append(look_at_one(each, account, zone, waiting, context.now()))
    return found


def refuse_if_not_taken(source: AcmeSource, ca: CaContext, context: SourceContext) -> None:
    """Raise `NotTaken` where the CA has to announce that it takes such records, and does not. No account is needed."""
    if source.announces_persist and not is_announced(ca.client.directory(context)):
        raise NotTaken(source.ca)


def persist_account(source: AcmeSource, ca: CaContext, context: SourceContext, account: Account) -> PersistAccount:
    """Return the account as records name it. Raises `IssuersUnknown`, `AccountUnwritable`, `CaProblem`, `CaUnreachable`."""
    return account_at(ca.client.directory(context), account, source.ca)


def look_at_one(
    before: PersistentLook, account: PersistAccount, zone: Zone, waiting: Collection[str], now: datetime
) -> PersistentLook:
    """Return what the zone has now for the names of one domain, which share a record.

    Of a record that is still missing, the next look is later each time: nobody may ever set it.
    """
    first = WANTED if any(name in waiting for name in before.names) else IDLE
    said = zone.records(owner_of(before.domain))
    later = _later(before, first)
    found = _judged(before, said, account, zone, now, later)
    still = found.problem is not None and before.problem is not None and found.problem.code == before.problem.code
    return found if later == first or still else _judged(before, said, account, zone, now, first)


def _later(before: PersistentLook, first: timedelta) -> timedelta:
    """Return the pause after the one before, if the record was missing then; else the first."""
    if before.problem is None or before.problem.code not in UNSEEN or not before.asked_at or not before.next_at:
        return first
    return min(max((before.next_at - before.asked_at) * GROWTH, first), LONGEST_WANTED)


def _judged(
    before: PersistentLook, said: Said | str, account: PersistAccount, zone: Zone, now: datetime, pause: timedelta
) -> PersistentLook:
    shares = any(map(is_wildcard, before.names))
    wanted = [Wanted(name, account, now, now + pause, shares) for name in sorted(before.names, key=len)]
    seen = [look_up(zone, said, each) for each in wanted]
    errors = [each.error for each in seen if each.error]
    found = replace(before, ca=account.ca, value=wanted[0].record.value, asked_at=now)
    if all(isinstance(each, ServersSilent) for each in errors) and errors:
        return replace(found, problem=errors[0].problem, next_at=now + pause)
    return _as_seen(found, wanted, seen, errors, now, pause)


def _as_seen(
    found: PersistentLook,
    wanted: Sequence[Wanted],
    seen: Sequence[Sighting],
    errors: Sequence[PersistError],
    now: datetime,
    pause: timedelta,
) -> PersistentLook:
    found = replace(
        found,
        proves=tuple(each.name for each, sighting in zip(wanted, seen, strict=True) if sighting.error is None),
        seen=min(each.seen for each in seen),
        servers=max(each.servers for each in seen),
        problem=errors[0].problem if errors else None,
        until=min((each.until for each in seen if each.until), default=None),
        next_at=now + (pause if errors else WELL),
    )
    return found if errors else replace(found, right_at=now, right_value=found.value)
