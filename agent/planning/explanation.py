"""Explanation of why a need has its chain: the ladder, rung by rung. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.errors.plugin import PluginError
from agent.errors.problem import rfc3339
from agent.model.binding import Binding
from agent.model.handover import ends_soon, hands_over_at
from agent.model.need import Need
from agent.model.records import UPLOADED, ChainRecord
from agent.planning.binding import outlook
from agent.planning.evidence import Evidence, state_of
from agent.planning.ranking import rank
from agent.planning.turns import turn
from agent.registry.sources import SourceHandle, offer_or_reason


@dataclass(frozen=True, slots=True)
class Rung:
    """Answer of one source of the ladder to one need."""

    source: str
    answer: str
    chain: str | None
    """Id of the chain that it would serve now."""
    chosen: bool
    """The need is bound to that chain."""


def rungs(need: Need, binding: Binding, evidence: Evidence, now: datetime) -> list[Rung]:
    """Return every source of the ladder, the most preferred first."""
    best: dict[str, tuple[str, str]] = {}
    authorities = {source.name: source.authority for source in evidence.ladder if source.name != UPLOADED}
    for candidate in rank(need, evidence, now):
        record = candidate.record
        why = candidate.reason
        if why.startswith(record.source) and record.source in authorities:  # the rung is named beside it
            why = authorities[record.source] + why.removeprefix(record.source)
        best.setdefault(record.source, (record.id, f"{why}, good until {_until(record, now)}"))
    allowed = {source.name for source in evidence.rungs(need)}
    found = []
    for source in evidence.ladder:
        chain, has = best.get(source.name, (None, ""))
        answer = "not allowed here"
        if source.name in allowed:
            answer = _answer(need, binding, source, evidence, now, has=bool(has))
        texts = [text for text in (has, answer) if text]
        found.append(Rung(source.name, "; ".join(texts), chain, chain is not None and chain == binding.chain))
    return found


def _until(record: ChainRecord, now: datetime) -> str:
    end = rfc3339(record.not_after)
    if not ends_soon(record, now):
        return end
    since = hands_over_at(record.not_before, record.not_after)
    return f"{end}, which is soon: since {rfc3339(since)} it gives way to what lasts longer"


def _answer(
    need: Need,
    binding: Binding,
    source: SourceHandle,
    evidence: Evidence,
    now: datetime,
    *,
    has: bool,
) -> str:
    """Say what a source does about a need beside what it `has`; nothing when all is well."""
    state = state_of(need, source, evidence, binding.chain, now)
    if source.name == UPLOADED:
        return "" if has else f"no good uploaded chain covers {', '.join(need.names)}"
    offer = offer_or_reason(source, need.request, state)
    if not offer.serves:
        return offer.reason
    members = _stand_ins(need, binding, source, evidence, now)
    if len(members) > 1:
        return _answer_in_turn(need, binding, source, members, evidence, now)
    failed = state.order is not None and state.order.problem is not None
    if failed or state.chain is None:
        return outlook(source, state.order)
    try:
        due = source.due(need.request, state, now)
    except PluginError as error:
        return error.problem.cause.rstrip(".")
    return f"renewed at {rfc3339(due.at)}" if due.at > now else f"to be renewed: {due.reason}"


def _stand_ins(
    need: Need, binding: Binding, source: SourceHandle, evidence: Evidence, now: datetime
) -> list[SourceHandle]:
    """Return the sources that stand in for each other for a need, `source` among them, in their order."""
    members = next(each for each in evidence.groups(need) if source in each)
    asked = {each: state_of(need, each, evidence, binding.chain, now) for each in members}
    return [each for each, state in asked.items() if offer_or_reason(each, need.request, state).serves]


def _answer_in_turn(
    need: Need,
    binding: Binding,
    source: SourceHandle,
    members: Sequence[SourceHandle],
    evidence: Evidence,
    now: datetime,
) -> str:
    """Say when one of several is asked that stand in for each other, or what it failed with."""
    made = evidence.index.made_for([each.name for each in members], need.request.id, now)
    orders, maker = evidence.orders_of(need.request.id, members), members[0]
    if made:
        maker = next(each for each in members if each.name == made[0].source)
    try:
        due = maker.due(need.request, state_of(need, maker, evidence, binding.chain, now), now)
    except PluginError as error:
        return error.problem.cause.rstrip(".")
    whose = turn(members, orders, due.at, now, made, made[0] if made else None)
    if due.at > now and source is members[0]:
        return f"{'renewed at' if maker is source else 'asked at the next renewal, at'} {rfc3339(due.at)}"
    if due.at <= now and (source is whose.source or source in whose.passed):
        return outlook(source, orders.get(source.name))
    return f"asked where {members[members.index(source) - 1].name} can't deliver"
