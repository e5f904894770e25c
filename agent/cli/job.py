"""Commands as jobs of the local API: how one ends is stored, for those who follow it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from agent.cli.commands import Invocation
from agent.cli.exit_codes import FAILED, exit_code
from agent.errors import AgentError, Problem

Finish = Callable[[int], int]


def job_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return ``--job``, by which the API names the job of a command."""
    return click.option("--job", default="", hidden=True, metavar="ID")


@contextmanager
def recorded_job(invocation: Invocation, job: str) -> Iterator[Finish]:
    """Store how a job ends: with the code that is given to what this yields, or with an error; without `job` do nothing."""
    if not job:
        yield lambda code: code
        return
    _begin(invocation, job)
    try:
        yield lambda code: _end(invocation, job, code, None)
    except BaseException as error:
        _end(invocation, job, *_failure(error))
        raise


def _failure(error: BaseException) -> tuple[int, Problem]:
    from agent.errors.usage import Unexpected

    if isinstance(error, AgentError):
        return exit_code(error), error.problem
    return FAILED, Unexpected(error).problem


def _begin(invocation: Invocation, job: str) -> None:
    from agent.store import Store

    with Store.open_existing(invocation.layout) as store, store.write():
        store.jobs.take(job)


def _end(invocation: Invocation, job: str, code: int, problem: Problem | None) -> int:
    from agent.store import Store

    with Store.open_existing(invocation.layout) as store, store.write():
        store.jobs.end(job, invocation.now(), code, problem)
    return code
