"""Problems as the database keeps them: JSON."""

from __future__ import annotations

import json
from typing import Any

from agent.errors.problem import Problem


def written_problem(problem: Problem | None) -> str | None:
    """Return `problem` as text."""
    return json.dumps(problem.to_json()) if problem else None


def read_problem_json(text: str | None) -> dict[str, Any] | None:
    """Return a problem as JSON types. Raises ValueError, TypeError for what is none."""
    row = json.loads(text) if text else None
    if row is not None:
        Problem.from_json({"code": "", **row})
    return row


def read_problem(text: str | None) -> Problem | None:
    """Return what `written_problem` made into text."""
    return Problem.from_json(json.loads(text)) if text else None
