"""Tasks of jobs: what is done, by the process that makes passes, before the pass of a job."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.engine.engine import Engine
from agent.errors.api import JobLost
from agent.model.task import Task, TaskKind
from agent.operations.aims import aim_at
from agent.operations.locked_state import locked_state
from agent.operations.revocation import revoke_at_ca, revoke_signed
from agent.pki.revocation import RevocationReason
from agent.store import Store
from agent.store.jobs import LOST

if TYPE_CHECKING:
    from agent.model.aim import Aim

FAILED = 1
"""Exit code in the row of a job that has failed."""
WAIT = 60.0
"""Seconds for the lock."""


def begin_task(engine: Engine, task: Task, job: str) -> Aim | None:
    """Do what comes before the pass of a job; return what its result is about, None where its row says so already.

    `engine`: that of the pass, whose workers are left alone. Who asked is in the audit record. Raises as `revoke_at_ca` and
    `revoke_signed` do.
    """
    if task.kind is TaskKind.REVOKE:
        switches = revoke_at_ca(_beside(engine, job), task.subject, task.reason, WAIT)
        return aim_at(switches, instead_of=(task.subject,))
    if task.kind is TaskKind.REVOKE_SIGNED:
        with locked_state(_beside(engine, job), WAIT) as state:
            switches = revoke_signed(state, task.subject, RevocationReason(task.reason))
        return aim_at(switches, instead_of=tuple(each.before for each in switches if each.before))
    return None


def waiting_jobs(store: Store, now: datetime, after: timedelta = timedelta()) -> list[str]:
    """Return the ids of the jobs that nobody has begun `after` they were asked for, the first one first; end those that are lost.

    A job waits where the process that makes passes was not told of it, or has died before: another one takes it up.
    """
    found = store.jobs.open()
    lost = [each for each in found if each.lost(now)]
    if lost:
        with store.write():
            for each in lost:
                store.jobs.end(each.id, now, FAILED, JobLost(LOST).problem)
    waiting = [each for each in found if each not in lost and not each.process]
    return [each.id for each in waiting if not timedelta() <= now - each.started_at < after]


def _beside(engine: Engine, job: str) -> Engine:
    """Return an engine with threads of its own: what is asked of a CA here ends with them."""
    made = Engine(
        engine.layout,
        clock=engine.clock,
        runner=engine.runner,
        prober=engine.prober,
        host=engine.host,
        loader=engine.loader,
        listeners=engine.bus.listeners,
        who=engine.who,
        job=job,
        activity=engine.activity,
    )
    made.avoided = engine.avoided
    return made
