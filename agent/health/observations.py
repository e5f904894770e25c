"""Findings about what services tell of themselves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from agent.errors.problem import Problem
from agent.model.finding import Finding
from agent.model.observed import ObservedState


def of_observations(states: Iterable[ObservedState], now: datetime) -> Iterator[Finding]:
    """Yield what somebody should know."""
    for each in states:
        if each.severity is not None:
            subject, title = f"{each.owner}:{each.subject}", f"{each.owner}: {each.subject}"
            yield Finding(each.kind, subject, each.severity, observed(each, now), each.since, title)


def observed(state: ObservedState, now: datetime) -> Problem:
    """Say what is observed, what trying to mend it has come to, and the next step."""
    again = state.retry_at if state.retry_at and state.retry_at > now else None
    return Problem("status.observed", f"{_cause(state)}{_tries(state)}", fix=state.fix, retry_at=again)


def _cause(state: ObservedState) -> str:
    if not state.state:
        return _sentence(state.why)
    if state.differs:
        return _sentence(f"What runs is not what was deployed: {state.why}")
    return _sentence(f"It is {state.state}: {state.why}" if state.why else f"It is {state.state}")


def _tries(state: ObservedState) -> str:
    if not state.attempts:
        return ""
    times = "once" if state.attempts == 1 else f"{state.attempts} times"
    what = "It was loaded again" if state.differs else "It was tried to mend that"
    return f" {what} {times}{f', the last time: {_sentence(state.said)}' if state.said else '.'}"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
