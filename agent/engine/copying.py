"""Copies of the database in passes: one a day, where something has changed that nobody would write again."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta

from agent.errors.store import CopyFailed, DatabaseDamaged, StoreError
from agent.errors.wording import few
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.pause import is_recent
from agent.store import Store
from agent.store.copies import DAILY, copies, make_copy
from agent.store.failures import is_of_the_file
from agent.store.integrity import read_all
from agent.store.schema import INDISPENSABLE, KEYS
from agent.store.served_chains import note_all

EVERY = timedelta(days=1)
AGAIN = timedelta(hours=1)
"""After a copy that failed."""
COPIED_AT, COPIED, TRIED_AT = "copied at", "copied", "copy tried at"
SCOPE = "copies"
FLEETING = frozenset(
    {
        *("audit_repeats", "conditions", "devices", "endpoints", "events", "jobs", "ledger", "login_failures", "meta"),
        *("rows_set_aside", "sessions", "transactions", "watches"),
    }
)
"""Tables that alone are no reason for a copy: each pass and each visitor changes them."""


def copy_if_due(store: Store, now: datetime) -> None:
    """Make the copy of the day. Why there is none is a finding, and tried again after a pause: nothing else waits for it."""
    if not _is_due(store, now):
        return
    digest, found = "", []
    try:
        digest = _copied(store, now)
    except Exception as error:
        problem = _failure(store, error).problem
        found = [Finding(SubjectKind.APPLIANCE, SCOPE, Severity.WARNING, problem, title="copies of the database")]
    with store.write():
        store.conditions.replace(SCOPE, found, now)
        store.remember(TRIED_AT, now.isoformat())
        if digest:
            store.remember(COPIED, digest)
            store.remember(COPIED_AT, now.isoformat())


def _copied(store: Store, now: datetime) -> str:
    """Write what is kept beside the database, and copy this where it has changed; return its digest."""
    store.account_keys.write_files()
    store.roots.write_files()
    note_all(store)
    read_all(store)
    if tables := sorted({row.table for row in store.database.damaged.values()} & INDISPENSABLE):
        raise CopyFailed(
            str(store.layout.database), f"rows of {few(tables)} can't be read, and earlier copies are whole"
        )
    digest = _digest(store)
    if digest != store.meta(COPIED) or not copies(store.layout):
        make_copy(store.layout, store.database, store.sealer, DAILY, now)
    return digest


def _failure(store: Store, error: Exception) -> StoreError:
    """Return what is told. Raises what says that the database itself is damaged: that is restored."""
    if isinstance(error, DatabaseDamaged) or (isinstance(error, sqlite3.Error) and is_of_the_file(error)):
        raise error
    if isinstance(error, StoreError):
        return error
    return CopyFailed(
        str(store.layout.private), (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
    )


def _is_due(store: Store, now: datetime) -> bool:
    tried, last = store.instant(TRIED_AT), store.instant(COPIED_AT)
    if tried is not None and is_recent(tried, now, AGAIN):
        return False
    return last is None or not is_recent(last, now, EVERY)


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
