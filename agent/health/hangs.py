"""Findings about passes that hung, or whose process died: what they were about, as the supervisor has seen it from outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agent.errors.problem import Problem
from agent.model.finding import Finding, Severity, SubjectKind

FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
"""A line of faulthandler's."""
STACK = re.compile(r"^(?:Current thread|Thread) .*$", re.MULTILINE)
"""Its headings: a plugin is asked in a thread of its own, by `CallThread._make`."""
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
    """Return ``FILE:LINE`` of what the plugin was executing, else the thread that makes the pass; empty: not known."""
    stacks = STACK.split(trace)
    asked = [each for each in stacks if " in _make" in each and "call_thread" not in each.partition(" in ")[0]]
    found = FRAME.search(asked[0] if asked else trace.partition("Current thread")[2])
    return f"{found['file']}:{found['line']}" if found else ""
