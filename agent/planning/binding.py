"""Binding of needs to chains, with the reason. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import takewhile

from agent.contract.source import ChainRecord, Offer, OrderRecord
from agent.errors.problem import rfc3339
from agent.model.binding import Binding, LadderPosition
from agent.model.need import Need
from agent.model.records import UPLOADED
from agent.planning.evidence import Evidence, state_of
from agent.planning.ranking import RankedChain, as_it_ends, by_preference, is_refused, shown
from agent.planning.turns import Turn, turn
from agent.registry.sources import SourceHandle, offer_or_reason

LOCAL = "local"


def bind(needs: Sequence[Need], evidence: Evidence, now: datetime) -> list[Binding]:
    """Return one binding for each need, in the order of `needs`."""
    return [_bind(need, evidence, now) for need in needs]


def _bind(need: Need, evidence: Evidence, now: datetime) -> Binding:
    preferred = by_preference(need, evidence, now)
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
    return LadderPosition.BY_DESIGN, f"local by design: {why}{as_it_ends(best.instead_of)}"


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
    what = "these alone" if need.asked == need.names else shown(need.asked)
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
        return [f"no uploaded chain covers {shown(need.names)}"]
    offers = {each: _offer(need, each, evidence, None, now) for each in members}
    serving = [each for each, offer in offers.items() if offer.serves]
    if not serving:
        return _declined(offers)
    awaited, is_to_come = _expected(need, serving, evidence, now)
    return [f"{awaited.name}: {is_to_come}"]
