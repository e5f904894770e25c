"""Findings about passes that hung, or whose process died: what they were about, as the supervisor has seen it from outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agent.errors.problem import Problem
from agent.model.finding import Finding, Severity, SubjectKind

FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
"""A line of faulthandler's."""
GOES_ON = "What is served goes on. What the pass had begun is finished or undone by the next one."
FIXES = {
    SubjectKind.PLUGIN: "Correct or update the plugin, or take it out of the settings. It is tried again",
    SubjectKind.SERVICE: "See the service's own log. It is tried again; now: chainwright apply",
    SubjectKind.PASS: "Report it with what was said exactly. It is tried again; now: chainwright apply",
}


def of_account(account: Mapping[str, Any]) -> Finding:
    """Return what somebody should know of a pass process that was ended because it hung, or that has died."""
    word, _, name = account["subject"].partition(" ")
    kind = SubjectKind(word)
    what = account["what"] or "a pass"
    place = _place(account["trace"]) if kind is SubjectKind.PLUGIN else ""
    at = f" ({place})" if place else ""
    if account["hung"]:
        code, cause = "status.pass_hung", f"{what}{at} did not end within {account['seconds']} s, and was ended."
    else:
        code, cause = "status.pass_died", f"The process of a pass died: {account['ending']}, at {what}{at}."
    problem = Problem(code, f"{cause[:1].upper()}{cause[1:]}", name, FIXES[kind], GOES_ON, detail=account["trace"])
    return Finding(kind, name, Severity.ERROR, problem)


def _place(trace: str) -> str:
    """Return ``FILE:LINE`` of what the thread that makes the pass was executing; empty: not known."""
    found = FRAME.search(trace.partition("Current thread")[2])
    return f"{found['file']}:{found['line']}" if found else ""
