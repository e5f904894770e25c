"""Recovery of a lost or damaged database by a pass, or by a person: what was done is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from agent.auth.audit_log import AGENT, AuditLog
from agent.auth.person import Actor
from agent.engine.bus import Bus
from agent.errors.backup import RestoreImpossible
from agent.errors.store import DatabaseDamaged, DatabaseLost, StoreError
from agent.health.damage import recovered
from agent.model.events import Event, EventKind
from agent.model.finding import Finding, Severity, SubjectKind
from agent.store import Store
from agent.store.recovery import MOST_ASIDE, Recovery, diagnose, number_generations, recover, restored_rows
from agent.store.served_chains import live_numbers, served_rows
from agent.system.clock_offsets import age
from agent.system.layout import Layout
from agent.system.lock import held
from agent.system.replacement import Replacement

SCOPE = "recovery"
TOLD = timedelta(days=30)
"""How long the status says that a database was restored, or a restore taken back."""
OFTEN = 600.0
"""Seconds in which a disk that damages each database again is not given another one."""
T = TypeVar("T")


def on_whole_database(layout: Layout, clock: Callable[[], datetime], bus: Bus, wait: float, work: Callable[[], T]) -> T:
    """Do what opens the database; where that is lost or damaged, recover it and do it again. Raises `StoreError`."""
    try:
        return work()
    except (DatabaseLost, DatabaseDamaged):
        with held(layout.lock, wait=wait):
            found = diagnose(layout)
            if found is not None:
                if _was_often(layout):
                    raise
                recover_and_tell(layout, found, clock(), AGENT, bus)
        if found is None:
            raise
    return work()


def recover_and_tell(layout: Layout, found: StoreError, now: datetime, actor: Actor, bus: Bus) -> Recovery:
    """Recover the database, and write down what was done. Call under the lock. Raises `StoreError`."""
    recovery = recover(layout, found, now)
    said = "; ".join(restored_rows(recovery))
    problem = recovered(recovery, layout.database)
    finding = Finding(SubjectKind.APPLIANCE, "database", Severity.NOTICE, problem, since=now, title="database")
    with Store.open(layout) as store:
        with store.write():
            AuditLog(store).note(actor, now, "database restored", "database", f"{recovery.reason}: {said}"[:1000])
            told = bus.record(
                store, [Event(at=now, kind=EventKind.DATABASE_RESTORED, text=f"{recovery.reason}: {said}")]
            )
            store.conditions.replace(SCOPE, [finding], now)
        bus.show(told)
    return recovery


def take_in_what_is_newer(store: Store, now: datetime, bus: Bus) -> None:
    """Keep what is in service of generations that the database doesn't know: it is of an earlier time, and would ask again."""
    unknown = [
        module
        for module, number in live_numbers(store.layout).items()
        if store.deployments.generation(f"module:{module}", number) is None
    ]
    if not unknown:
        return
    with store.write():
        taken = [row["id"] for row in served_rows(store.layout) if store.chains.take_in(row)]
        number_generations(store, store.layout)
        text = f"the database is older than what is in service of {', '.join(unknown)}; taken in: {len(taken)}"
        told = bus.record(store, [Event(at=now, kind=EventKind.DATABASE_RESTORED, text=text)] if taken else [])
    bus.show(told)


def finish_restore(layout: Layout) -> RestoreImpossible | None:
    """Go on with a restore that was decided. Return why all of it was taken back, where it can't be: then it is as it was before.

    Call under the lock. Raises `RestoreUnfinished`.
    """
    try:
        Replacement(layout).finish()
    except RestoreImpossible as error:
        return error
    return None


def note_restore(store: Store, taken_back: RestoreImpossible | None, now: datetime, bus: Bus) -> None:
    """Write down why a restore was taken back; None: none was."""
    if taken_back is None:
        return
    problem = taken_back.problem
    finding = Finding(SubjectKind.APPLIANCE, "restore", Severity.NOTICE, problem, since=now, title="restore")
    with store.write():
        others = [each for each in store.conditions.of(SCOPE) if each.subject != finding.subject]
        store.conditions.replace(SCOPE, [*others, finding], now)
        event = Event(at=now, kind=EventKind.RESTORE_TAKEN_BACK, text=f"{problem.where}: {problem.cause}")
        told = bus.record(store, [event])
    bus.show(told)


def forget_recovery(store: Store, now: datetime) -> None:
    """Say no longer what was recovered, or not restored, when that was said for long enough."""
    before = store.conditions.of(SCOPE)
    kept = [each for each in before if each.since and timedelta() <= now - each.since < TOLD]
    if kept != before:
        with store.write():
            store.conditions.replace(SCOPE, kept, now)


def _was_often(layout: Layout) -> bool:
    """Whether the last recoveries followed each other so fast that another one would not help."""
    times = [each.stat().st_mtime for each in (layout.private / "damaged").glob("*")]
    return len([each for each in times if age(each, layout.root) < OFTEN]) >= MOST_ASIDE
