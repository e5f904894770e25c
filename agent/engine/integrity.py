"""Integrity of the store, as a pass looks after it: damaged rows are mended where they can be, else named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from agent.deploy.failures import SCOPE as FAILURES
from agent.engine.copying import copy_if_due
from agent.engine.recovering import forget_recovery
from agent.errors.store import SealBroken
from agent.health.damage import damaged_file, of_rows
from agent.model.finding import Finding, Severity, SubjectKind
from agent.store import Store
from agent.store.connection import DamagedRow
from agent.store.integrity import mend, quick_check, read_all
from agent.store.keys_in_service import mend_keys

EVERY = timedelta(days=1)
CHECKED_AT = "checked at"
SCOPE = "database"


class IntegrityCheck:
    """Check of the store in one pass."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._known: set[DamagedRow] = set()

    def begin(self) -> list[str]:
        """Mend what a plan is made of; check all once a day, and as long as there is something wrong.

        Return lines for people. With 1,000 chains it takes about 0.1 s once a day.
        """
        store, now = self._store, self._clock()
        for read in (store.roots.all, store.chains.records, store.deployments.live_chains, store.conditions.all):
            read()
        if store.conditions.of(SCOPE) or store.database.damaged or _is_key_broken(store) or _is_due(store, now):
            return self._check(now)
        return []

    def end(self) -> list[str]:
        """Mend what the pass has met since then, and make the copy of the day. Return lines for people."""
        copy_if_due(self._store, self._clock())
        forget_recovery(self._store, self._clock())
        news = set(self._store.database.damaged.values()) - self._known
        return self._check(self._clock()) if news else []

    def _check(self, now: datetime) -> list[str]:
        store = self._store
        output = quick_check(store)
        read_all(store)
        damaged = list(store.database.damaged.values())
        with store.write():
            mended = [*mend(store, damaged, now), *mend_keys(store)]
            kept = [row for row in store.database.damaged.values() if row not in mended]
            findings = [*of_rows(kept, store.layout.database), *_of_file(store, output)]
            store.conditions.replace(SCOPE, findings, now)
            store.remember(CHECKED_AT, now.isoformat())
        self._known = set(kept)
        return [f"mended a damaged row of the table {row.table}: {row.reason}" for row in mended]


def _is_due(store: Store, now: datetime) -> bool:
    last = store.instant(CHECKED_AT)
    return last is None or not timedelta() <= now - last < EVERY


def _is_key_broken(store: Store) -> bool:
    """Whether the last pass could not give a module the key of its chain."""
    return any(each.problem.code == SealBroken.code for each in store.conditions.of(FAILURES))


def _of_file(store: Store, output: str) -> Iterator[Finding]:
    if output:
        problem = damaged_file(output, store.layout.database)
        yield Finding(SubjectKind.APPLIANCE, "database", Severity.ERROR, problem)
