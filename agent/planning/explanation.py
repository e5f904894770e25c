"""Explanation of why a need has its chain: the ladder, rung by rung. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agent.errors.plugin import PluginError
from agent.errors.problem import rfc3339
from agent.model.binding import Binding
from agent.model.handover import ends_soon, hands_over_at
from agent.model.need import Need
from agent.model.records import UPLOADED, ChainRecord
from agent.planning.binding import Evidence, outlook, rank, state_of
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
    for candidate in rank(need, evidence, now):
        record = candidate.record
        best.setdefault(record.source, (record.id, f"{candidate.reason}, good until {_until(record, now)}"))
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
    failed = state.order is not None and state.order.problem is not None
    if failed or state.chain is None:
        return outlook(source, state.order)
    try:
        due = source.due(need.request, state, now)
    except PluginError as error:
        return error.problem.cause.rstrip(".")
    return f"renewed at {rfc3339(due.at)}" if due.at > now else f"to be renewed: {due.reason}"
