"""Findings about services that end again and again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from agent.errors.problem import Problem
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.restart import Restart

ONCE_AND_AGAIN = 3
"""Starts in a row: the service has ended twice soon after one."""


def of_restarts(restarts: Iterable[Restart], now: datetime) -> Iterator[Finding]:
    """Yield what somebody should know."""
    for each in restarts:
        if each.count >= ONCE_AND_AGAIN and each.counts(now):
            problem = ends_again(each, now)
            yield Finding(SubjectKind.SERVICE, each.service, Severity.WARNING, problem, each.at)


def ends_again(restart: Restart, now: datetime) -> Problem:
    """Say how often a service was started, and when it is the next time."""
    until = restart.pause.until
    return Problem(
        "status.ends_again",
        f"It ends again and again: the agent has started it {restart.count} times in a row.",
        restart.service,
        "See in its log why it ends; should it end again, it is started after a pause that grows",
        retry_at=until if until and restart.pause.holds(now) else None,
    )
