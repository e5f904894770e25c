"""Copies of the database in passes: one a day, where something has changed that nobody would write again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from agent.errors.store import StoreError
from agent.model.finding import Finding, Severity, SubjectKind
from agent.store import Store
from agent.store.copies import DAILY, copies, make_copy
from agent.store.schema import KEYS
from agent.store.served_chains import note_all

EVERY = timedelta(days=1)
COPIED_AT, COPIED = "copied at", "copied"
SCOPE = "copies"
FLEETING = frozenset(
    {
        *("audit_repeats", "conditions", "devices", "endpoints", "events", "jobs", "ledger", "login_failures", "meta"),
        *("rows_set_aside", "sessions", "transactions", "watches"),
    }
)
"""Tables that alone are no reason for a copy: each pass and each visitor changes them."""


def copy_if_due(store: Store, now: datetime) -> None:
    """Make the copy of the day. Why there is none is a finding: nothing else waits for it."""
    if not _is_due(store, now):
        return
    digest = _digest(store)
    found: list[Finding] = []
    try:
        store.account_keys.write_files()
        note_all(store)
        if digest != store.meta(COPIED) or not copies(store.layout):
            make_copy(store.layout, store.database, store.sealer, DAILY, now)
    except StoreError as error:
        found.append(
            Finding(SubjectKind.APPLIANCE, SCOPE, Severity.WARNING, error.problem, title="copies of the database")
        )
    with store.write():
        store.conditions.replace(SCOPE, found, now)
        if not found:
            store.remember(COPIED, digest)
            store.remember(COPIED_AT, now.isoformat())


def _is_due(store: Store, now: datetime) -> bool:
    last = store.instant(COPIED_AT)
    return last is None or not timedelta() <= now - last < EVERY


def _digest(store: Store) -> str:
    found = hashlib.sha256()
    for table in sorted(set(KEYS) - FLEETING):
        for row in _rows(store, table):
            found.update(repr(row).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def _rows(store: Store, table: str) -> Iterator[tuple[object, ...]]:
    # Bytes: a text that is no UTF-8 is no reason to fail here.
    columns = [row[1] for row in store.database.execute(f"pragma table_info({table})")]
    listed = ", ".join(f'cast("{column}" as blob)' for column in columns)
    yield from store.database.execute(f"select {listed} from {table} order by rowid")  # noqa: S608 - the schema's own names
