"""Errors that plugins raise as their contract allows: whether the core can work with what they say."""

from __future__ import annotations

from datetime import datetime

from agent.contract.source import is_aware
from agent.errors.base import AgentError
from agent.errors.source import SourceError
from agent.registry.answers import WrongAnswer, exactly, kind_of, members, text


def check_error(error: AgentError) -> None:
    """Raise what makes an error of a plugin one that can't be worked with."""
    at: object = error.retry_at
    if at is not None and not isinstance(at, datetime):
        raise WrongAnswer(f"{type(error).__name__}.retry_at is {kind_of(at)}, not a datetime or None")
    if not is_aware(at):
        raise ValueError(f"{type(error).__name__}.retry_at has no time zone")
    if isinstance(error, SourceError):
        for names in (error.failed, error.passed):
            members(exactly(names, frozenset), (str,))
    text(error.problem.cause)
