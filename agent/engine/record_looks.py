"""Looks at TXT records that prove names for good (dns-persist-01), made without the lock, and the storing of what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from agent.errors import SourceError
from agent.errors.persist import NotTaken
from agent.model.persistent import LONGEST_PERSISTENT, PersistentLook, by_domain
from agent.planning import LookAtRecords
from agent.registry.sources import SourceHandle, crashed
from agent.store import Store

if TYPE_CHECKING:
    from agent.contract.source import SourceContext
    from agent.sources.acme.source import AcmeSource

BEGUN = timedelta(minutes=5)
"""Nobody else looks for so long; then the process that began is taken to be dead."""
AFTER_FAILURE = timedelta(minutes=30)
"""Before the next look, where the CA could not be asked for its part of the record."""


def begin(store: Store, action: LookAtRecords, origin: str, now: datetime) -> Mapping[str, PersistentLook]:
    """Keep others from looking at the same for a while. Return what is known, by domain. Call inside `Store.write`.

    `origin`: of the source.
    """
    known = {each.domain: each.at(origin) for each in store.persistent.all().values() if each.source == action.source}
    asked = by_domain(action.names)
    looks = {domain: known.get(domain) or PersistentLook(action.source, domain, origin=origin) for domain in asked}
    begun = (replace(looks[domain], names=names, asked_at=now, next_at=now + BEGUN) for domain, names in asked.items())
    store.persistent.put(begun)
    return looks


def look(
    source: SourceHandle, action: LookAtRecords, known: Mapping[str, PersistentLook], context: SourceContext
) -> list[PersistentLook]:
    """Look at the records of each domain, whatever happens."""
    from agent.sources.acme.persist.asking import look_at

    asked = {domain: _for(known[domain], names) for domain, names in by_domain(action.names).items()}
    try:
        with source.naming_its_table():
            return look_at(cast("AcmeSource", source.source), list(asked.values()), action.waiting, context)
    except NotTaken as error:
        now = context.now()
        return [
            replace(each, problem=error.problem, proves=(), asked_at=now, next_at=now + LONGEST_PERSISTENT)
            for each in asked.values()
        ]
    except SourceError as error:
        problem, now = error.problem, context.now()
    except Exception as error:
        problem, now = crashed(source.name, error, context.now() + AFTER_FAILURE).problem, context.now()
    if context.cancelled:
        return []
    return [replace(each, problem=problem, asked_at=now, next_at=now + AFTER_FAILURE) for each in asked.values()]


def _for(known: PersistentLook, names: tuple[str, ...]) -> PersistentLook:
    """Return what is known of a record that is to prove `names`; what it is to prove besides makes it new."""
    found = replace(known, names=names)
    return found if set(names) <= set(known.names) else replace(found, asked_at=None, next_at=None)


def settle_record_looks(store: Store, looks: Sequence[PersistentLook]) -> None:
    """Store what was seen. Orders that failed for a name that is proved now are tried again at once. Call under the lock."""
    if not looks:
        return
    with store.write():
        known = store.persistent.all()
        store.persistent.put(looks)
        newly = {
            (each.source, name)
            for each in looks
            for name in set(each.proves) - set(known[each.key].proves if each.key in known else ())
        }
        needs = {need.request.id: need.request for need in store.modules.needs()} if newly else {}
        for order in store.orders.records():
            request = needs.get(order.request)
            if request and order.problem and any((order.source, name) in newly for name in request.names):
                store.orders.forget_failures(order.request)
