"""Looks at TXT records that prove names for good (dns-persist-01): which are due, and when the others are. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agent.model.binding import Binding
from agent.model.need import Need
from agent.model.persistent import PersistentLook, by_domain, domain_of
from agent.model.records import UPLOADED
from agent.planning.actions import LookAtRecords
from agent.planning.state import State
from agent.registry.sources import SourceHandle
from agent.system.names import is_wildcard

MOST_LOOKS = 250
"""Domains that are looked at in one go; the others follow in the passes after that, those first that wait longest."""
AFTER_ONE_GO = timedelta(seconds=15)
"""Before a pass begins the next one, where the end of the one before doesn't."""


@dataclass(frozen=True)
class RecordLooks:
    """What is to be looked at now, and when the rest is."""

    due: tuple[LookAtRecords, ...]
    instants: tuple[datetime, ...]


def record_looks(needs: Sequence[Need], bindings: Sequence[Binding], state: State, now: datetime) -> RecordLooks:
    """Return the looks that are due. There are none while the clock is in doubt.

    Looked at are wildcards, names whose order has failed, and those for which a record was right once.
    """
    if state.doubt is not None:
        return RecordLooks((), ())
    subjects: dict[str, dict[str, bool]] = defaultdict(dict)
    for need, binding in zip(needs, bindings, strict=True):
        for source in state.evidence.rungs(need):
            for name in _names(need, source, state):
                subjects[source.name][name] = subjects[source.name].get(name, False) or _waits(binding, source, state)
    looks = {each.key: each for each in state.records}
    due, instants = list[LookAtRecords](), set[datetime]()
    for source_name, names in subjects.items():
        fresh = []
        for domain, those in by_domain(sorted(names)).items():
            known = looks.get((source_name, domain))
            if known and set(those) <= set(known.names) and known.pause.holds(now):
                instants |= {known.pause.until} if known.pause.until else set()
            else:
                fresh.append((_since(known), those))
        if len(fresh) > MOST_LOOKS:
            fresh = sorted(fresh)[:MOST_LOOKS]
            instants.add(now + AFTER_ONE_GO)
        if fresh:
            chosen = tuple(sorted(name for _, those in fresh for name in those))
            due.append(LookAtRecords(source_name, chosen, frozenset(each for each in chosen if names[each])))
    return RecordLooks(tuple(due), tuple(instants))


def _since(known: PersistentLook | None) -> datetime:
    return known.asked_at if known and known.asked_at else datetime.min.replace(tzinfo=UTC)


def _names(need: Need, source: SourceHandle, state: State) -> Iterator[str]:
    """Yield the names of a need whose records are looked at for a source."""
    able = source.persistent_names(need.names)
    if not able:
        return
    order = state.evidence.orders.get((need.request.id, source.name))
    failed = order is not None and order.problem is not None
    known = {each.domain for each in state.records if each.source == source.name and each.right_at}
    shared = {domain_of(each) for each in able if is_wildcard(each)}
    yield from (each for each in able if failed or domain_of(each) in known | shared)


def _waits(binding: Binding, source: SourceHandle, state: State) -> bool:
    """Whether a need has a chain of neither the source nor an administrator."""
    bound = state.evidence.index.get(binding.chain)
    return bound is None or bound.source not in {source.name, UPLOADED}
