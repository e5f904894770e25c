"""Jobs: work that was started through the local API, and how it ended. Their steps are rows of `events`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agent.errors.problem import Problem
from agent.model.aim import Aim, AimOutcome
from agent.model.task import Task
from agent.store.connection import Connection
from agent.store.instants import read, read_known, written
from agent.store.problems import read_problem, written_problem
from agent.store.processes import is_alive, process_name

APPLY = Task()
KEPT = 1000
"""Rows."""
LOST = "it was killed, or the machine was restarted"
"""Why a job ended whose process is not there any more."""
WAITING = timedelta(minutes=30)
"""So long a job may wait for those before it; each start of the process that makes passes takes up those that wait."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job."""

    id: str
    """That of the passes that it consists of."""
    action: str
    subject: str
    who: str
    started_at: datetime
    ended_at: datetime | None = None
    exit_code: int | None = None
    problem: Problem | None = None
    """Why it failed."""
    process: str = ""
    aim: Aim | None = None
    """What it is for; None: the whole."""
    outcome: AimOutcome | None = None
    """What became of that, once it has ended."""
    task: Task = APPLY
    """What is done for it."""

    def lost(self, now: datetime) -> bool:
        """Whether it has neither ended nor a living process, or has waited for too long to be begun."""
        if self.ended_at is not None:
            return False
        return not is_alive(self.process) if self.process else now > self.started_at + WAITING


class Jobs:
    """The table `jobs`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def add(self, record: JobRecord) -> None:
        """Keep a job that is about to start; the oldest go."""
        self._database.execute(
            "insert into jobs (id, action, subject, who, started_at, aim, task) values (?, ?, ?, ?, ?, ?, ?)",
            [
                *(record.id, record.action, record.subject, record.who, written(record.started_at)),
                record.aim.text() if record.aim else None,
                record.task.text(),
            ],
        )
        self._database.execute(
            "delete from jobs where rowid <= (select max(rowid) from jobs) - ?",
            [KEPT],
        )

    def take(self, job: str) -> None:
        """Note that this process is the job's."""
        self._database.execute("update jobs set process = ? where id = ?", [process_name(), job])

    def note_aim(self, job: str, aim: Aim) -> None:
        """Note what a job is for, where that was known only when it had begun."""
        self._database.execute("update jobs set aim = ? where id = ?", [aim.text(), job])

    def note_outcome(self, job: str, outcome: AimOutcome) -> None:
        """Note what became of what a job is for."""
        self._database.execute("update jobs set outcome = ? where id = ?", [outcome.text(), job])

    def end(self, job: str, now: datetime, exit_code: int, problem: Problem | None = None) -> None:
        """Note how a job ended, unless that is known."""
        self._database.execute(
            "update jobs set ended_at = ?, exit_code = ?, problem = ? where id = ? and ended_at is null",
            [written(now), exit_code, written_problem(problem), job],
        )

    def get(self, job: str) -> JobRecord | None:
        """Return one job."""
        found = self._database.decoded("jobs", _record, "select * from jobs where id = ?", [job])
        return next(iter(found), None)

    def open(self) -> list[JobRecord]:
        """Return the jobs that have not ended, the first one first: those that wait, under way and lost."""
        return self._database.decoded("jobs", _record, "select * from jobs where ended_at is null order by rowid")

    def newest(self, limit: int) -> list[JobRecord]:
        """Return the newest jobs, the newest first."""
        return self._database.decoded("jobs", _record, "select * from jobs order by rowid desc limit ?", [limit])


def _record(row: dict[str, Any]) -> JobRecord:
    return JobRecord(
        id=row["id"],
        action=row["action"],
        subject=row["subject"],
        who=row["who"],
        started_at=read_known(row["started_at"]),
        ended_at=read(row["ended_at"]),
        exit_code=row["exit_code"],
        problem=read_problem(row["problem"]),
        process=row["process"] or "",
        aim=Aim.read(row["aim"]) if row["aim"] else None,
        outcome=AimOutcome.read(row["outcome"]),
        task=Task.read(row["task"]),
    )
