"""Binding of needs to chains, with the reason. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import groupby, takewhile

from agent.contract.source import ChainRecord, Offer, OrderRecord, RequestState, Watch
from agent.errors.problem import rfc3339
from agent.model.binding import Binding, LadderPosition
from agent.model.fitting import could_serve, fits, is_pinned
from agent.model.handover import ends_soon, urgency
from agent.model.need import Need
from agent.model.records import UPLOADED, FailingName
from agent.model.root import Signer
from agent.pki.key import KeyKind
from agent.planning.chain_index import ChainIndex, age
from agent.planning.turns import Turn, turn
from agent.registry.sources import SourceHandle, offer_or_reason
from agent.system.names import covers, covers_all, is_wildcard

LOCAL = "local"


@dataclass(frozen=True)
class Evidence:
    """Facts for binding and planning: the ladder, and what the store knows."""

    ladder: tuple[SourceHandle, ...]
    chains: tuple[ChainRecord, ...]
    orders: Mapping[tuple[str, str], OrderRecord]
    """By `(request id, source)`."""
    signers: Mapping[KeyKind, Signer]
    """Which root signs, by the kind of key that it signs for; empty before the first one."""
    reissues: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Id of a request -> ids of its chains that a person wants others in place of."""
    failing: tuple[FailingName, ...] = ()
    """Names that are asked for apart because a CA could not validate them."""
    forced: frozenset[str] = frozenset()
    """Ids of the requests for which that person insisted."""
    watches: Mapping[str, Watch] = field(default_factory=dict)
    """Id of a chain -> what its CA says of it."""
    refused: frozenset[tuple[str, str, str]] = frozenset()
    """`(module, slot, id of a chain)`: the service of that module did not take the chain for that slot."""
    pins: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """`(module, slot)` -> id of the uploaded chain that a person pinned; what the settings pin goes before it."""
    dns_zones: tuple[str, ...] = ()
    """Zones of the DNS solvers; an empty text: every zone."""
    persistent: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Source -> names for which a lasting record was seen in DNS that lets its CA issue."""

    @cached_property
    def index(self) -> ChainIndex:
        """The chains by what a need asks for."""
        return ChainIndex(self.chains, self.signers)

    def rungs(self, need: Need) -> list[SourceHandle]:
        """Return the sources that `need` allows, in the order of the ladder."""
        return [
            source for source in self.ladder if need.sources is None or {source.name, source.group} & set(need.sources)
        ]

    def groups(self, need: Need) -> list[tuple[SourceHandle, ...]]:
        """Return the same, those of one group together: most are alone in theirs."""
        return [tuple(members) for _, members in groupby(self.rungs(need), key=lambda each: each.group)]

    def orders_of(self, request: str, members: Iterable[SourceHandle]) -> dict[str, OrderRecord]:
        """Return what became of a request at some sources, by their names."""
        found = {each.name: self.orders.get((request, each.name)) for each in members}
        return {name: order for name, order in found.items() if order is not None}


@dataclass(frozen=True)
class RankedChain:
    """A chain that may serve a need now, and why."""

    record: ChainRecord
    reason: str
    stands_in: bool = False
    """It was made for more names, and serves until there is one for just these."""
    instead_of: ChainRecord | None = None
    """The first chain that would go before it if it didn't end soon."""


def bind(needs: Sequence[Need], evidence: Evidence, now: datetime) -> list[Binding]:
    """Return one binding for each need, in the order of `needs`."""
    return [_bind(need, evidence, now) for need in needs]


def rank(need: Need, evidence: Evidence, now: datetime) -> list[RankedChain]:
    """Return every chain that may serve `need` now, the best first.

    What ends soon comes after what doesn't, and what its service has refused comes last. All of them are valid now, not
    known to be revoked, of an accepted key type and the right purpose, and cover all names;
    chains that a source made serve the request that they were made for, uploaded ones serve by coverage. Where names are
    asked for apart from now on, a good chain for all of them together stays until there is one for each part: no source
    that needs the network is so quick that the next rung, which clients may not trust, would be better.
    """
    found = _by_preference(need, evidence, now)
    return sorted(found, key=lambda each: is_refused(need, each.record, evidence))


def is_refused(need: Need, record: ChainRecord, evidence: Evidence) -> bool:
    """Whether the service of the need's module did not take a chain when it was given to it last."""
    return (*need.key, record.id) in evidence.refused


def _by_preference(need: Need, evidence: Evidence, now: datetime) -> list[RankedChain]:
    """Return the same, whatever was refused."""
    by_rung = _by_rung(need, evidence, now)
    found = sorted(by_rung, key=lambda each: urgency(each.record, now))
    return found if found == by_rung else [_instead(each, by_rung, now) for each in found]


def _instead(ranked: RankedChain, by_rung: Sequence[RankedChain], now: datetime) -> RankedChain:
    """Return a chain with what has given way to it because it ends soon."""
    own = urgency(ranked.record, now)
    passed = (each.record for each in by_rung[: by_rung.index(ranked)] if urgency(each.record, now) > own)
    first = next(passed, None)
    return replace(ranked, reason=ranked.reason + _as_it_ends(first), instead_of=first) if first else ranked


def _as_it_ends(record: ChainRecord | None) -> str:
    return f", as {record.id[:12]} ({record.source}) ends at {rfc3339(record.not_after)}" if record else ""


def _by_rung(need: Need, evidence: Evidence, now: datetime) -> list[RankedChain]:
    """Return the same in the order of the ladder alone, whatever ends soon."""
    found: list[RankedChain] = []
    for members in evidence.groups(need):
        names = [source.name for source in members]
        if UPLOADED in names:
            found += _uploads(need, evidence, now)
        else:
            made = evidence.index.made_for(names, need.request.id, now)
            found += [RankedChain(record, _why_made(need, record.source)) for record in made if fits(need, record)]
            lasting = members[0].immediate or not all(ends_soon(record, now) for record in made)
            more = [] if lasting else evidence.index.made_for_more(names, need, now)
            found += [RankedChain(record, _why_more(record), stands_in=True) for record in more if fits(need, record)]
    return found


def state_of(need: Need, source: SourceHandle, evidence: Evidence, bound: str | None, now: datetime) -> RequestState:
    """Return what `source` may look at when it is asked about a need's request."""
    made = evidence.index.made_for([source.name], need.request.id, now)
    chain = made[0] if made else None
    signer = evidence.signers.get(need.request.key_type.kind)
    return RequestState(
        chain=chain,
        bound=evidence.index.get(bound),
        order=evidence.orders.get((need.request.id, source.name)),
        root=signer.root if signer else None,
        sent_with_root=signer.sent_with if signer else (),
        root_until=signer.until if signer else None,
        watch=evidence.watches.get(chain.id) if chain else None,
        dns_zones=evidence.dns_zones,
        persistent=evidence.persistent.get(source.name, frozenset()),
    )


def _uploads(need: Need, evidence: Evidence, now: datetime) -> list[RankedChain]:
    fitting = [record for record in evidence.index.uploaded if could_serve(need, record, now)]
    pinned = [record for record in fitting if is_pinned(need, record, evidence.pins)]
    fitting.sort(key=_newness, reverse=True)
    fitting.sort(key=lambda record: (record not in pinned, closeness(need, record)))
    return [
        RankedChain(record, _why_pinned(need) if record in pinned else _why(need, record, fitting, pinned))
        for record in fitting
    ]


def _newness(record: ChainRecord) -> tuple[datetime, datetime, datetime, str]:
    """Of uploads the newest is the one that ends last, and of those that end together the one that begins last."""
    return record.not_after, *age(record)


def is_exact(need: Need, record: ChainRecord) -> bool:
    """Whether a chain has the very names of a need, without a wildcard's help."""
    return all(name in record.names for name in need.names)


def closeness(need: Need, record: ChainRecord) -> int:
    """Return how near the names of an upload are to those of a need; less is nearer: preferred wildcards, exact names, others."""
    if need.asked != need.names and covers_all(record.names, need.asked):
        return 0
    return 1 if is_exact(need, record) else 2


def _why_made(need: Need, source: str) -> str:
    return source if need.asked == need.names else f"{source}, by {_shown(need.asked)}"


def _why_pinned(need: Need) -> str:
    return f"uploaded, covers {_shown(need.names)}, pinned"


def _why(need: Need, record: ChainRecord, fitting: Sequence[ChainRecord], pinned: Sequence[ChainRecord]) -> str:
    how = [f"covers {_shown(need.names)}"]
    if not is_exact(need, record):
        how.append(f"by {wildcard_for(need, record)}")
    same = [other for other in fitting if other not in pinned and closeness(need, other) == closeness(need, record)]
    if len(same) > 1 and same[0] is record:
        how.append(f"the newest of {len(same)}: it {_last(record, same[1])} last")
    return f"uploaded, {', '.join(how)}"


def _last(record: ChainRecord, other: ChainRecord) -> str:
    if record.not_after != other.not_after:
        return "ends"
    return "begins" if record.not_before != other.not_before else "was stored"


def wildcard_for(need: Need, record: ChainRecord) -> str:
    """Return the pattern by which a chain covers the first name that it does not have itself."""
    inexact = [name for name in need.names if name not in record.names]
    return next(pattern for pattern in record.names if is_wildcard(pattern) and covers(pattern, inexact[0]))


def _shown(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"all {len(names)} names"


def _why_more(record: ChainRecord) -> str:
    together = " together" if len(record.names) > 1 else ""
    return f"{record.source}, made for {_shown(record.names)}{together}"


def _bind(need: Need, evidence: Evidence, now: datetime) -> Binding:
    preferred = _by_preference(need, evidence, now)
    if not preferred:
        return Binding(need.module, need.slot, None, _why_missing(need, evidence, now), LadderPosition.MISSING)
    best = next((each for each in preferred if not is_refused(need, each.record, evidence)), None)
    if best is None:
        return _refused_altogether(need, preferred, evidence, now)
    position, reason = _position(need, best, evidence, now)
    refused = [each.record for each in preferred[: preferred.index(best)]]
    if best.record.source == LOCAL and any(each.source != LOCAL for each in refused):
        position, reason = LadderPosition.FALLBACK, best.reason
    if refused:
        reason += f", while {need.module} does not take {refused[0].id[:12]} ({refused[0].source})"
    ids = tuple(each.id for each in refused)
    return Binding(need.module, need.slot, best.record.id, reason, position, refused=ids)


def _refused_altogether(need: Need, preferred: Sequence[RankedChain], evidence: Evidence, now: datetime) -> Binding:
    """Bind the best of those that the service did not take: there is none that it might take."""
    best, ids = preferred[0], tuple(each.record.id for each in preferred)
    position, reason = _position(need, best, evidence, now)
    return Binding(need.module, need.slot, best.record.id, reason, position, refused=ids)


def _position(need: Need, best: RankedChain, evidence: Evidence, now: datetime) -> tuple[LadderPosition, str]:
    """Say whether a higher rung could serve, and if none can, why the local root is meant."""
    own = best.record.source
    declined: list[str] = []
    for members in evidence.groups(need):
        if own in {source.name for source in members}:
            break
        if members[0].name == UPLOADED:
            continue
        offers = {each: _offer(need, each, evidence, best.record.id, now) for each in members}
        if serving := [each for each, offer in offers.items() if offer.serves]:
            awaited, expected = _expected(need, serving, evidence, now)
            served = f"{best.reason}{',' if best.instead_of else ''} until {awaited.name} delivers"
            return LadderPosition.FALLBACK, f"{served}: {expected}"
        declined += _declined(offers)
    if best.stands_in:
        source = next(each for each in evidence.ladder if each.name == own)
        return LadderPosition.STANDS_IN, f"{best.reason}, until it delivers for {_awaited(need, source, evidence, now)}"
    if own != LOCAL:
        return LadderPosition.WANTED, best.reason + _in_place_of(need, best.record, evidence, now)
    why = "; ".join(declined) or _why_alone(need, evidence)
    return LadderPosition.BY_DESIGN, f"local by design: {why}{_as_it_ends(best.instead_of)}"


def _in_place_of(need: Need, record: ChainRecord, evidence: Evidence, now: datetime) -> str:
    """Say why the chain is not one of the sources that stand in for its own and are asked before that."""
    members = next((each for each in evidence.groups(need) if record.source in {one.name for one in each}), ())
    orders, reasons = evidence.orders_of(need.request.id, members), []
    for source in takewhile(lambda each: each.name != record.source, members):
        offer, order = _offer(need, source, evidence, record.id, now), orders.get(source.name)
        if not offer.serves:
            reasons.append(f"{source.name} can't: {offer.reason}")
        elif order and order.problem and order.counts_for(source.settings_digest):
            reasons.append(f"{source.name} could not: {str(order.problem.get('cause', '')).rstrip('.')}")
    return f", as {'; '.join(reasons)}" if reasons else ""


def _awaited(need: Need, source: SourceHandle, evidence: Evidence, now: datetime) -> str:
    """Say what a source is to deliver in place of a chain for other names, and what is to be expected of it."""
    what = "these alone" if need.asked == need.names else _shown(need.asked)
    members = next(each for each in evidence.groups(need) if source in each)
    offers = {each: _offer(need, each, evidence, None, now) for each in members}
    serving = [each for each, offer in offers.items() if offer.serves]
    return f"{what}: {_expected(need, serving, evidence, now)[1] if serving else offers[source].reason}"


def _offer(need: Need, source: SourceHandle, evidence: Evidence, bound: str | None, now: datetime) -> Offer:
    return offer_or_reason(source, need.request, state_of(need, source, evidence, bound, now))


def _declined(offers: Mapping[SourceHandle, Offer]) -> list[str]:
    """Say why none of a group serves a need, each reason once."""
    found: dict[str, str] = {}
    for source, offer in offers.items():
        found.setdefault(offer.reason, source.name)
    return [f"{source}: {reason}" for reason, source in found.items()]


def _expected(
    need: Need, serving: Sequence[SourceHandle], evidence: Evidence, now: datetime
) -> tuple[SourceHandle, str]:
    """Return who of a group is asked for a chain, or is next, and what is to be expected."""
    orders = evidence.orders_of(need.request.id, serving)
    found = turn(serving, orders, now, now)
    return found.source, expected(found, orders)


def expected(found: Turn, orders: Mapping[str, OrderRecord]) -> str:
    """Return what is to be expected of the source whose turn it is, and why it isn't that of those before it."""
    others = [f"{each.name} can't: {outlook(each, orders.get(each.name))}" for each in found.passed]
    return outlook(found.source, orders.get(found.source.name)) + (f", as {'; '.join(others)}" if others else "")


def _why_alone(need: Need, evidence: Evidence) -> str:
    if need.sources == (LOCAL,):
        return "no other source is allowed"
    others = {source.name for source in evidence.rungs(need)} - {UPLOADED, LOCAL}
    return "the ladder names it before all others" if others else "no other source is configured"


def outlook(source: SourceHandle, order: OrderRecord | None) -> str:
    """Return what is to be expected of a source that would serve a request."""
    if order is None or order.problem is None or not order.counts_for(source.settings_digest):
        return "it is being asked"
    cause = str(order.problem.get("cause", "")).rstrip(".")
    if order.permanent or order.retry_at is None:
        return f"{cause}, not tried again before its settings change"
    return f"{cause}, next try {rfc3339(order.retry_at)}"


def _why_missing(need: Need, evidence: Evidence, now: datetime) -> str:
    rungs = evidence.rungs(need)
    if not rungs:
        return f"none of the sources {', '.join(need.sources or ())} is in the ladder"
    reasons = [reason for members in evidence.groups(need) for reason in _why_not(members, need, evidence, now)]
    return f"no chain yet: {'; '.join(reasons)}"


def _why_not(members: Sequence[SourceHandle], need: Need, evidence: Evidence, now: datetime) -> list[str]:
    if members[0].name == UPLOADED:
        return [f"no uploaded chain covers {_shown(need.names)}"]
    offers = {each: _offer(need, each, evidence, None, now) for each in members}
    serving = [each for each, offer in offers.items() if offer.serves]
    if not serving:
        return _declined(offers)
    awaited, is_to_come = _expected(need, serving, evidence, now)
    return [f"{awaited.name}: {is_to_come}"]
