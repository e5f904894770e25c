"""Findings about windows for challenges that could not be closed. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agent.errors.problem import Problem
from agent.errors.wording import few
from agent.model.challenge_windows import SETTING
from agent.model.finding import Finding, Severity, SubjectKind


def of_windows(source: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield what stays open in a firewall after a CA has looked."""
    for each in rows:
        if each.get("failed"):
            yield Finding(SubjectKind.CA, source, Severity.WARNING, _unclosed(each), title=str(each["id"]))


def _unclosed(row: Mapping[str, Any]) -> Problem:
    who = "challenge_window" if row["by"] == SETTING else f"the plugin {row['by']}"
    cause = f"The way for a CA to {few(row['names'])}, which {who} has opened, was not closed: {row['failed']}."
    return Problem(
        "status.window_unclosed",
        cause,
        fix=f"Close it by hand: {shlex.join(row['close']['argv'])}",
        effect="Until then the ports may be reached by anybody; it is tried again when the CA is asked the next time.",
    )
