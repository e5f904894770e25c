"""Problems as the database keeps them: JSON."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from agent.errors.problem import Problem
from agent.store.values import mapping

NAMES = {each.name for each in fields(Problem)}


def written_problem(problem: Problem | None) -> str | None:
    """Return `problem` as text."""
    return json.dumps(problem.to_json()) if problem else None


def read_problem_json(text: str | None) -> dict[str, Any] | None:
    """Return a problem as JSON types. Raises ValueError, TypeError for what is none."""
    row = mapping(text) if text else None
    if row is not None:
        _problem({"code": "", **row})
    return row


def read_problem(text: str | None) -> Problem | None:
    """Return what `written_problem` made into text."""
    return _problem(mapping(text)) if text else None


def _problem(row: dict[str, Any]) -> Problem:
    texts = all(isinstance(value, str) for name, value in row.items() if name != "retry_at")
    if not texts or not {"code", "cause"} <= set(row) <= NAMES:
        raise ValueError("it is no problem")
    return Problem.from_json(row)
