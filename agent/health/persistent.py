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
HASHED = "sha-256/"
"""In records of draft -02, which hash account and key into one."""
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
    changed = what_changed(look.right_value, look.value, look.ca)
    return void(look, changed) if changed else gone(look, problem)


def what_changed(before: str, now: str, ca: str) -> str:
    """Return a clause on why a record that was right is for somebody else now; empty: it's for the same account."""
    issuer, account = _issuer_and_account(before)
    new_issuer, new_account = _issuer_and_account(now)
    if issuer != new_issuer:
        return f"it is for the CA {issuer}, and {ca} goes by {new_issuer}"
    if account == new_account:
        return ""
    if HASHED in account or HASHED in new_account:
        return f"the account at {ca}, or its key, is another one since it was set"
    return f"it names the account {account}, and the one at {ca} is {new_account} now"


def _issuer_and_account(value: str) -> tuple[str, str]:
    issuer, *parameters = (each.strip() for each in value.split(";"))
    return issuer, next((each.partition("=")[2] for each in parameters if each.startswith("accounturi=")), "")


def _finding(look: PersistentLook, severity: Severity, problem: Problem) -> Finding:
    return Finding(SubjectKind.RECORD, f"{look.source} {look.record.owner}", severity, problem, title=look.record.owner)


def _set(look: PersistentLook) -> str:
    return f"Set at {look.record.owner} the TXT record: {look.value}"


def gone(look: PersistentLook, problem: Problem) -> Problem:
    """Say that a record has vanished, or was changed."""
    cause = f"{look.ca} can't issue by the TXT record at {look.record.owner} any longer. {problem.cause}"
    return Problem("status.persist_gone", cause, fix=_set(look), effect=RENEWED, retry_at=look.next_at)


def void(look: PersistentLook, changed: str) -> Problem:
    """Say that a record is of a CA, an account or a key of before. `changed`: a clause that says of which."""
    cause = f"The TXT record at {look.record.owner} is void: {changed}."
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
