"""Jobs in the pass process: a pass that a person has asked for, with the job's id, until the orders that it began have ended."""

from __future__ import annotations

import time
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from agent.engine.engine import Engine
from agent.engine.recheck import Recheck
from agent.engine.settings_in_force import refusal_of
from agent.errors import AgentError, Problem
from agent.errors.store import DatabaseBusy
from agent.errors.usage import Unexpected
from agent.model.task import Task
from agent.operations.aims import outcome_of
from agent.operations.tasks import begin_task, waiting_jobs
from agent.planning import Plan
from agent.report import read_snapshot, report
from agent.store import Store
from agent.store.jobs import JobRecord

DONE, FAILED, DEGRADED = 0, 1, 3
"""Exit codes in a job's row: those of ``chainwright apply``."""
TIMEOUT = 300.0
"""Seconds for the orders of a job; then it ends, and they go on."""
ASKED = timedelta(seconds=5)
"""Within which the supervisor passes a job on, as long as nothing takes long before it."""
WAIT = 60.0
"""Seconds that a job waits for the lock."""


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job whose first pass was made."""

    id: str
    orders: frozenset[Hashable]
    """Keys of the orders that it began."""
    deadline: float
    """Monotonic."""


class Jobs:
    """Jobs that were begun and have not ended."""

    def __init__(self, engine: Engine, seconds: float = TIMEOUT) -> None:
        """`seconds`: for the orders of each."""
        self._engine = engine
        self._seconds = seconds
        self._open: list[OpenJob] = []

    def __bool__(self) -> bool:
        return bool(self._open)

    @property
    def present(self) -> str:
        """Return the job whose orders a pass deploys: its events are told to those who follow it; empty: none."""
        return self._open[0].id if self._open else ""

    @property
    def deadline(self) -> float | None:
        """Return when the next job ends, whatever its orders do (monotonic)."""
        return min((each.deadline for each in self._open), default=None)

    @property
    def are_overdue(self) -> bool:
        """Whether one is to end now, whatever its orders do."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def waiting(self) -> list[str]:
        """Return the jobs in the store that nobody has begun in time, the first one first; end those that are lost."""
        with suppress(AgentError), self._store() as store:
            return waiting_jobs(store, self._engine.clock(), ASKED)
        return []

    def run(self, job: str) -> Plan:
        """Do what a job asks for, until its orders are under way. How it fails is in its row; what it raises is raised.

        One that is unknown, or was begun already, is a pass like any other.
        """
        record = self._taken(job)
        if record is None:
            return self._engine.run_pass(wait=WAIT)[0]
        try:
            return self._first_pass(job, record.task)
        except Exception as error:
            with suppress(AgentError):
                self._end(job, FAILED, _problem(error))
            raise

    def _taken(self, job: str) -> JobRecord | None:
        """Note that this process does a job; return None where there is nothing to do for it."""
        with self._store() as store:
            record = store.jobs.get(job)
            if record is None or record.process or record.ended_at is not None:
                return None
            with store.write():
                store.jobs.take(job)
            return record

    def end_those_over(self) -> list[str]:
        """End the jobs whose orders were settled or take too long. Return their ids.

        Call it after each pass, and when some are overdue. One whose end can't be noted at present, as another process
        writes, is ended the next time.
        """
        now, under_way = time.monotonic(), self._engine.workers.orders
        over = [each for each in self._open if now >= each.deadline or not each.orders & under_way]
        ended = [each for each in over if self._is_noted(each, unfinished=bool(each.orders & under_way))]
        self._open = [each for each in self._open if each not in ended]
        return [each.id for each in ended]

    def _is_noted(self, job: OpenJob, *, unfinished: bool) -> bool:
        """Note the end of a job; False: another process keeps it from being noted."""
        try:
            self._finish(job.id, unfinished=unfinished)
        except DatabaseBusy:
            return False
        except AgentError:  # the store tells of itself
            pass
        return True

    def end_all(self) -> None:
        """End the jobs that are left, whose orders go on in another process."""
        for each in self._open:
            with suppress(AgentError):
                self._finish(each.id, unfinished=True)
        self._open.clear()

    def _first_pass(self, job: str, task: Task) -> Plan:
        before = self._engine.workers.orders
        self._engine.job = job
        try:
            aim = begin_task(self._engine, task, job)
            if aim is not None:
                with self._store() as store, store.write():
                    store.jobs.note_aim(job, aim)
            recheck = Recheck.ALL if task.everywhere else Recheck.SAMPLE
            made, _ = self._engine.run_pass(wait=WAIT, windows=task.windows, retry=True, recheck=recheck)
        finally:
            self._engine.job = ""
        begun = self._engine.workers.orders - before
        self._open.append(OpenJob(job, begun, time.monotonic() + self._seconds))
        return made

    def _finish(self, job: str, *, unfinished: bool) -> None:
        """Store what became of what a job was for, or of the whole: that fails where the last good settings had to do."""
        now = self._engine.clock()
        status = report(read_snapshot(self._engine.layout, now, self._engine.belief()), now)
        with self._store() as store:
            record = store.jobs.get(job)
            outcome = outcome_of(record.aim, store, status) if record and record.aim else None
            if outcome is not None:
                with store.write():
                    store.jobs.note_outcome(job, outcome)
        refusal = refusal_of(self._engine.loader)
        if outcome is None and refusal is not None:
            self._end(job, FAILED, refusal.problem)
            return
        is_well = not outcome.missed if outcome else not (unfinished or status.degraded)
        self._end(job, DONE if is_well else DEGRADED, None)

    def _end(self, job: str, code: int, problem: Problem | None) -> None:
        with self._store() as store, store.write():
            store.jobs.end(job, self._engine.clock(), code, problem)

    def _store(self) -> Store:
        return Store.open_existing(self._engine.layout)


def _problem(error: Exception) -> Problem:
    return error.problem if isinstance(error, AgentError) else Unexpected(error).problem
