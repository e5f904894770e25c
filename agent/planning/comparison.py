"""Comparison of an uploaded chain with those that serve in its place: which goes before it, and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.errors.problem import rfc3339
from agent.model.binding import Binding
from agent.model.fitting import could_serve, is_pinned
from agent.model.handover import ends_soon, urgency
from agent.model.need import Need
from agent.model.records import UPLOADED, ChainRecord
from agent.planning.evidence import Evidence
from agent.planning.ranking import closeness, is_refused, wildcard_for


@dataclass(frozen=True, slots=True)
class Outranked:
    """A need that a chain could serve, and that goes on being served by another one."""

    module: str
    slot: str
    chain: str
    """Id of the one that serves."""
    reason: str
    """Why that one goes first: a clause."""
    pinnable: bool
    """Whether a pin would put the other one first."""


def outranked(
    record: ChainRecord, needs: Sequence[Need], bindings: Sequence[Binding], evidence: Evidence, now: datetime
) -> list[Outranked]:
    """Return the needs that an uploaded chain could serve and is not bound to. `bindings`: with it, those of `needs`."""
    records = {each.id: each for each in evidence.chains}
    found = []
    for need, binding in zip(needs, bindings, strict=True):
        first = records.get(binding.chain or "")
        if first is not None and first.id != record.id and could_serve(need, record, now):
            found.append(_outranked(need, first, record, evidence, now))
    return found


def _outranked(need: Need, first: ChainRecord, record: ChainRecord, evidence: Evidence, now: datetime) -> Outranked:
    barred = is_refused(need, record, evidence) or ends_soon(record, now)
    pinnable = first.source == UPLOADED and need.pin is None and not barred
    return Outranked(need.module, need.slot, first.id, why_first(need, first, record, evidence, now), pinnable)


def why_first(need: Need, first: ChainRecord, other: ChainRecord, evidence: Evidence, now: datetime) -> str:
    """Return why `first` serves a need that the uploaded chain `other` could serve, too: a clause."""
    if reason := _why_not(need, first, other, evidence, now):
        return reason
    if first.source != UPLOADED:
        return f"{first.source} stands before uploaded chains in the ladder"
    if is_pinned(need, first, evidence.pins):
        return "it is pinned"
    if closeness(need, first) < closeness(need, other):
        if not closeness(need, first):
            return f"it has {', '.join(need.asked[:3])}, which the setting wildcards prefers"
        return f"it has the exact name, and the other one covers it by {wildcard_for(need, other)}"
    return _why_newer(first, other)


def _why_not(need: Need, first: ChainRecord, other: ChainRecord, evidence: Evidence, now: datetime) -> str:
    """Return what speaks against `other`, whatever its rank; empty: nothing does."""
    rungs = [source.name for source in evidence.rungs(need)]
    if UPLOADED not in rungs:
        return f"only chains of {', '.join(rungs)} may serve there"
    if is_refused(need, other, evidence):
        return f"{need.module} did not take the other one when it was given to it"
    if urgency(other, now) > urgency(first, now):
        return f"the other one ends at {rfc3339(other.not_after)}, which is too soon"
    return ""


def _why_newer(first: ChainRecord, other: ChainRecord) -> str:
    """Return by what the newer of two uploads is known: its end, then its beginning, then when it was stored."""
    if first.not_after != other.not_after:
        return f"it ends later: {rfc3339(first.not_after)}, the other one {rfc3339(other.not_after)}"
    if first.not_before != other.not_before:
        begins = f"{rfc3339(first.not_before)}, the other one {rfc3339(other.not_before)}"
        return f"it begins later, and ends at the same instant: {begins}"
    return "it is as new, and was stored later"
