"""Findings about modes and owners of the agent's own files that somebody else has changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from agent.errors.problem import Problem
from agent.model.finding import Finding, Severity, SubjectKind
from agent.system.modes import Repair

KEPT = timedelta(days=1)
"""So long a repair is told: what was opened to others, and closed again, is still to be thought about."""

SEALED = (
    "Others could read it meanwhile. Either of the database and the master key is of no use without the other one; together they "
    "open every private key."
)
BEGIN_AGAIN = "If others have both, begin again with new keys (docs/operation.md, The master key). It is told for a day"


def of_repairs(repairs: Iterable[Repair], before: Iterable[Finding], now: datetime) -> Iterator[Finding]:
    """Yield what was repaired now, then what was repaired within the last day."""
    subjects = set()
    for each in repairs:
        subjects.add(str(each.path))
        yield _finding(each, now)
    for finding in before:
        if finding.subject not in subjects and finding.since is not None and timedelta() <= now - finding.since < KEPT:
            yield finding


def _finding(repair: Repair, now: datetime) -> Finding:
    severity = Severity.ERROR if repair.error else Severity.WARNING if repair.opened else Severity.NOTICE
    title = f"permissions ({repair.path.name})"
    return Finding(SubjectKind.APPLIANCE, str(repair.path), severity, changed_modes(repair), now, title)


def changed_modes(repair: Repair) -> Problem:
    """Say what mode and owner were, and what they are now."""
    was = f"Somebody has changed mode or owner of this file of the agent: it had {repair.before}"
    again = f"and can't be repaired: {repair.error}" if repair.error else f"and has {repair.now} again"
    effect, fix = _meaning(repair) if repair.opened else ("", f"See it: stat {repair.path}")
    return Problem("status.modes", f"{was}, {again}.", str(repair.path), fix, effect)


def _meaning(repair: Repair) -> tuple[str, str]:
    """Say what it means that others could read something, and what to do about it."""
    if repair.sealed:
        return SEALED, BEGIN_AGAIN
    return (
        "Others could read what holds private keys meanwhile.",
        "If others use this machine, have new keys made: chainwright reissue --all; in place of uploaded chains, upload others",
    )
