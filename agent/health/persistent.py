"""Findings about TXT records that prove names for good (dns-persist-01), once one was right or was tried to be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from agent.errors.problem import Problem, rfc3339
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.persistent import PersistentLook

EARLY = timedelta(days=20)
"""Before the end of a record, when it is told."""
SILENT = "source.persist_silent"
RENEWED = "Without it nothing is renewed that it proved; what is served stays until its end."


def of_records(looks: Iterable[PersistentLook], now: datetime) -> Iterator[Finding]:
    """Yield what is wrong with records that were right once, or that somebody has set and that are not right yet."""
    for each in looks:
        if each.problem is not None and each.right_at is not None:
            yield _finding(each, Severity.WARNING, _void(each, each.problem))
        elif each.problem is not None and (each.wrong or each.seen):
            yield _finding(each, Severity.NOTICE, not_right_yet(each, each.problem))
        elif each.proves and each.until is not None and each.until - now <= EARLY:
            yield _finding(each, Severity.WARNING, ends(each, each.until))


def _void(look: PersistentLook, problem: Problem) -> Problem:
    if problem.code == SILENT:
        return not_seen(look, problem)
    return void(look) if look.value != look.right_value else gone(look, problem)


def _finding(look: PersistentLook, severity: Severity, problem: Problem) -> Finding:
    return Finding(SubjectKind.RECORD, f"{look.source} {look.record.owner}", severity, problem, title=look.record.owner)


def _set(look: PersistentLook) -> str:
    return f"Set at {look.record.owner} the TXT record: {look.value}"


def gone(look: PersistentLook, problem: Problem) -> Problem:
    """Say that a record has vanished, or was changed."""
    cause = f"{look.ca} can't issue by the TXT record at {look.record.owner} any longer. {problem.cause}"
    return Problem("status.persist_gone", cause, fix=_set(look), effect=RENEWED, retry_at=look.next_at)


def void(look: PersistentLook) -> Problem:
    """Say that a record is of an account or a key of before."""
    cause = f"The TXT record at {look.record.owner} is void: {look.ca} knows another account, or another key, since it was set."
    return Problem("status.persist_void", cause, fix=_set(look), effect=RENEWED, retry_at=look.next_at)


def not_seen(look: PersistentLook, problem: Problem) -> Problem:
    """Say that nobody answers for a record."""
    return Problem("status.persist_silent", problem.cause, fix=problem.fix, retry_at=look.next_at)


def not_right_yet(look: PersistentLook, problem: Problem) -> Problem:
    """Say what is wrong with a record that somebody has set."""
    effect = "Until it is right, the next rung of the ladder serves."
    return Problem("status.persist_not_right", problem.cause, fix=problem.fix, effect=effect, retry_at=look.next_at)


def ends(look: PersistentLook, until: datetime) -> Problem:
    """Say that a record ends soon by its own words."""
    cause = (
        f"The TXT record at {look.record.owner}, by which {look.ca} issues, ends at {rfc3339(until)} (persistUntil)."
    )
    return Problem("status.persist_ends", cause, fix=_set(look), effect="Renewals after that would fail.")
