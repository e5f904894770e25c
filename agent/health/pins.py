"""Findings about pins that can't be used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from agent.errors.problem import Problem
from agent.health.handover import why_too_late
from agent.health.snapshot import Snapshot
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.fitting import is_pinned, why_unfit
from agent.model.need import Need
from agent.model.pin import Pin
from agent.model.records import ChainRecord


def pins(snapshot: Snapshot, now: datetime) -> Iterator[Finding]:
    """Yield what keeps a pin from being used: those of persons, and those in the settings."""
    needs = {need.key: need for need in snapshot.needs}
    records = {record.id: record for record in snapshot.chains}
    for pin in snapshot.pins:
        found = _problem(snapshot, pin, needs.get(pin.key), records.get(pin.chain), now)
        if found is not None:
            severity = Severity.WARNING if pin.key in needs and not needs[pin.key].pin else Severity.NOTICE
            yield Finding(SubjectKind.MODULE, f"{pin.module}/{pin.slot}", severity, found)
    yield from _of_settings(snapshot, now)


def _problem(
    snapshot: Snapshot, pin: Pin, need: Need | None, record: ChainRecord | None, now: datetime
) -> Problem | None:
    place, chain = f"{pin.module}/{pin.slot}", pin.chain[:12]
    fix = f"Take the pin back: chainwright unpin {pin.module} {pin.slot}"
    if need is None:
        return Problem("pin.not_needed", f"The chain {chain} is pinned for {place}, which asks for none.", place, fix)
    if need.pin is not None:
        cause = f'The settings pin "{need.pin}" for {place}, so the pin of {chain} is not used.'
        return Problem("pin.overruled", cause, place, fix)
    if record is None:
        return Problem("pin.gone", f"The chain {chain} that is pinned for {place} is gone.", place, fix)
    reason = why_unfit(need, record, now) or why_too_late(snapshot, need, record, now)
    if not reason:
        return None
    return Problem("pin.unusable", f"The chain {chain} that is pinned for {place} can't serve: {reason}.", place, fix)


def _of_settings(snapshot: Snapshot, now: datetime) -> Iterator[Finding]:
    """A module's pin is for all its slots: it is of use when it is for one of them."""
    pinned: dict[tuple[str, str], list[Need]] = defaultdict(list)
    for need in snapshot.needs:
        if need.pin is not None:
            pinned[need.module, need.pin].append(need)
    for (module, pin), needs in pinned.items():
        cause = _why_useless(snapshot, pin, needs, now)
        if cause:
            fix = f"Change or remove `pin` in [modules.{module}], then: chainwright apply"
            problem = Problem("pin.unusable", cause, f"[modules.{module}]", fix)
            subject = f"{module}/{needs[0].slot}" if len(needs) == 1 else module
            yield Finding(SubjectKind.MODULE, subject, Severity.WARNING, problem)


def _why_useless(snapshot: Snapshot, pin: str, needs: list[Need], now: datetime) -> str:
    """Return why the settings' pin serves none of `needs`: a sentence; empty where it serves one."""
    named = [record for record in snapshot.chains if is_pinned(needs[0], record, {})]
    if not named:
        return f'The settings pin "{pin}", and there is no such chain.'
    reasons = [
        why_unfit(need, record, now) or why_too_late(snapshot, need, record, now) for record in named for need in needs
    ]
    if not all(reasons):
        return ""
    return f'The settings pin "{pin}", and the chain {named[0].id[:12]} can\'t serve: {reasons[0]}.'
