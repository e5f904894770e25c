"""Jobs: passes after a change, which the process that makes passes is asked for; their steps are streamed."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from agent.api.access import Access
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Route
from agent.errors import Problem
from agent.errors.api import JobLost, JobNotFound
from agent.model.aim import Aim, AimOutcome
from agent.model.events import Event
from agent.model.task import Task
from agent.store import Store
from agent.store.jobs import APPLY, LOST, JobRecord
from agent.system.poke import poke

EVENT_STREAM = "text/event-stream"
PAUSE = 0.25
"""Seconds between two queries for further steps."""
HEARTBEAT = 15.0
"""Seconds after which a comment keeps a stream alive."""
NOBODY = "the agent does not listen"
DEGRADED = 3
"""Exit code of a job that is done, while something needs attention."""


class JobState(StrEnum):
    """State of a job."""

    RUNNING = "running"
    DONE = "done"
    DEGRADED = "degraded"
    """Done, and something needs attention."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """One job."""

    id: str
    action: str
    subject: str
    who: str
    state: JobState
    started_at: datetime
    ended_at: datetime | None
    problem: Problem | None
    """Why it failed."""
    outcome: AimOutcome | None
    """What became of what was asked for, and what else is not well; None: it was about the whole, or has not ended."""


@dataclass(frozen=True, slots=True)
class JobStarted:
    """Job that was started."""

    job: str


@dataclass(frozen=True, slots=True)
class JobList:
    """Jobs, the newest first."""

    jobs: tuple[Job, ...]


class JobsQuery(Input):
    """Number of jobs."""

    limit: int = Field(20, ge=1, le=200)


def new_job() -> str:
    """Return the id of a job to come: the change that it begins with has it in its events."""
    return secrets.token_hex(8)


def begin(
    request: ApiRequest,
    job: str,
    action: str,
    subject: str,
    task: Task = APPLY,
    aim: Aim | None = None,
) -> JobStarted:
    """Store a job and ask the agent to begin it. Raises `JobLost`. The audit record has its change already.

    `aim`: what its result is about; None: about the whole, or the task says.
    """
    layout = request.services.layout
    record = JobRecord(job, action, subject, request.caller.name, request.now, aim=aim, task=task)
    with Store.open_existing(layout) as store, store.write():
        store.jobs.add(record)
    # Where only its queue is full, it finds the job in the store.
    if not poke(layout, job) and not poke(layout):
        raise _lost(request, job)
    return JobStarted(job)


def _lost(request: ApiRequest, job: str) -> JobLost:
    """Note that nobody takes a job."""
    error = JobLost(NOBODY)
    with Store.open_existing(request.services.layout) as store, store.write():
        store.jobs.end(job, request.now, 1, error.problem)
    return error


def started(content: JobStarted) -> ApiResponse:
    """Return the answer to a change."""
    return ApiResponse(content, 202, headers={"location": f"/v1/jobs/{content.job}"})


def show(request: ApiRequest) -> ApiResponse:
    """Return one job. Raises `JobNotFound`."""
    return ApiResponse(_look(request, 0)[0])


def listed(request: ApiRequest) -> ApiResponse:
    """Return the newest jobs."""
    query: JobsQuery = request.query
    with Store.open_read_only(request.services.layout) as view:
        return ApiResponse(JobList(tuple(_job(each, request.now) for each in view.jobs.newest(query.limit))))


def stream(request: ApiRequest) -> ApiResponse:
    """Begin to stream the steps of a job. Raises `JobNotFound`."""
    _look(request, 0)
    return ApiResponse(media_type=EVENT_STREAM)


async def follow(request: ApiRequest) -> AsyncIterator[bytes]:
    """Yield the steps of a job as server-sent events (HTML standard, section 9.2), the last one named ``end``.

    The id of each is that of its row: a client that was cut off names the last in ``Last-Event-ID`` and gets the rest.
    """
    seen = _last_seen(request)
    deadline = time.monotonic() + request.services.limits.stream_seconds
    spoke = time.monotonic()
    while time.monotonic() < deadline:
        job, events = await asyncio.to_thread(_look, request, seen)
        for event in events:
            seen = event.id or seen
            yield b"id: %d\ndata: %s\n\n" % (seen, request.services.json(event))
        if events:
            spoke = time.monotonic()
            continue  # there may be more than come at once
        if job.state is not JobState.RUNNING:
            yield b"event: end\ndata: %s\n\n" % request.services.json(job)
            return
        if time.monotonic() >= spoke + HEARTBEAT:
            spoke = time.monotonic()
            yield b":\n\n"
        await asyncio.sleep(PAUSE)


def _look(request: ApiRequest, seen: int) -> tuple[Job, list[Event]]:
    """Return a job, and its steps after one. Both in one state of the store: of a job that has ended no step is missing."""
    name = request.path["id"]
    with Store.open_read_only(request.services.layout) as view:
        record = view.jobs.get(name)
        if record is None:
            raise JobNotFound(name)
        # From -1: zero would mean the newest ones only.
        return _job(record, request.services.now()), view.journal.since(seen or -1, job=name)


def _last_seen(request: ApiRequest) -> int:
    text = request.headers.get("last-event-id", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _job(record: JobRecord, now: datetime) -> Job:
    lost = record.lost(now)
    problem = JobLost(LOST).problem if lost else record.problem
    return Job(
        id=record.id,
        action=record.action,
        subject=record.subject,
        who=record.who,
        state=_state(record, lost),
        started_at=record.started_at,
        ended_at=record.ended_at,
        problem=problem,
        outcome=record.outcome,
    )


def _state(record: JobRecord, lost: bool) -> JobState:
    if record.ended_at is None:
        return JobState.FAILED if lost else JobState.RUNNING
    states = {0: JobState.DONE, DEGRADED: JobState.DEGRADED}
    return states.get(record.exit_code if record.exit_code is not None else 1, JobState.FAILED)


ROUTES = (
    Route("GET", "/v1/jobs", Access.VIEWER, listed, "List the newest jobs", JobList, query=JobsQuery),
    Route("GET", "/v1/jobs/{id}", Access.VIEWER, show, "Show the state of a job", Job, problems=(404,)),
    Route(
        "GET",
        "/v1/jobs/{id}/events",
        Access.VIEWER,
        stream,
        "Stream the steps of a job while it runs, as server-sent events",
        media_types=(EVENT_STREAM,),
        problems=(404,),
        follow=follow,
    ),
)
