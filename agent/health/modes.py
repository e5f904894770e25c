"""Findings about modes and owners of the agent's own files that somebody else has changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from agent.errors.problem import Problem
from agent.model.finding import Finding, Severity, SubjectKind
from agent.system.modes import Repair

KEPT = timedelta(days=1)
"""So long a repair is told: what was opened to others, and closed again, is still to be thought about."""


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
    effect = "Others could read what holds private keys meanwhile." if repair.opened else ""
    fix = "If others use this machine, have new keys made: chainwright reissue --all" if repair.opened else ""
    return Problem("status.modes", f"{was}, {again}.", str(repair.path), fix or f"See it: stat {repair.path}", effect)
