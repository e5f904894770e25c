"""Check of the audit record in a pass: its ends each time, every row once a day; what is wrong is a finding."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from agent.auth.audit_log import AuditLog
from agent.auth.audit_verification import Verification, ends_are_good, verify_store
from agent.errors.auth import AuditBroken
from agent.model.finding import Finding, Severity, SubjectKind
from agent.store import Store

EVERY = timedelta(days=1)
SCOPE = "audit record"
CHECKED_AT = "audit record checked at"


def check_audit_record(store: Store, now: datetime) -> None:
    """Check the record where that is due, drop its oldest rows, and keep a finding while it isn't whole."""
    record = AuditLog(store)
    if not _is_due(store, now) and (ends_are_good(record) or store.conditions.of(SCOPE)):
        return
    with store.write():
        record.chain_earlier(now)
        record.settle(now)
    found = verify_store(store)
    with store.write():
        note_verified(store, found, now)
        record.prune(now)
        store.remember(CHECKED_AT, now.isoformat())


def note_verified(store: Store, found: Verification, now: datetime) -> None:
    """Keep what was found, or that the record is whole. Call inside `Store.write`."""
    store.conditions.replace(SCOPE, [_finding(found.faults)] if found.faults else [], now)


def broken(faults: Sequence[str]) -> AuditBroken:
    """Return the error that names the first fault."""
    return AuditBroken(faults[0], f", and {len(faults) - 1} more" if len(faults) > 1 else "")


def _finding(faults: Sequence[str]) -> Finding:
    return Finding(SubjectKind.APPLIANCE, "audit record", Severity.WARNING, broken(faults).problem)


def _is_due(store: Store, now: datetime) -> bool:
    last = store.instant(CHECKED_AT)
    return last is None or not timedelta() <= now - last < EVERY
