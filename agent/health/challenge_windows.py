"""Findings about windows for challenges that could not be closed. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from agent.errors.problem import Problem, rfc3339
from agent.errors.wording import few
from agent.model.challenge_windows import SETTING, OpenWindow
from agent.model.finding import Finding, Severity, SubjectKind


def of_windows(rows: Iterable[OpenWindow]) -> Iterator[Finding]:
    """Yield what stays open in a firewall after a CA has looked."""
    for each in rows:
        if each.failed:
            subject = f"{each.source} {each.id} {each.by}"
            title = f"challenge window {each.id}"
            yield Finding(SubjectKind.CA, subject, Severity.WARNING, _unclosed(each), each.tried_at, title)


def _unclosed(row: OpenWindow) -> Problem:
    who = f"{SETTING} of {row.source}" if row.by == SETTING else f"the plugin {row.by}"
    ports = f" at port {' and '.join(map(str, row.ports))}" if row.ports else ""
    cause = f"The way for a CA to {few(row.names)}{ports}, which {who} opened at {rfc3339(row.at)}, was not closed: {row.failed}."
    variables = f" (with {', '.join(sorted(row.environment))} in its environment)" if row.environment else ""
    return Problem(
        "status.window_unclosed",
        cause,
        fix=f"Close it by hand: {shlex.join(row.argv)}{variables}. If that can't be run any more, close the ports in another "
        f"way, then: chainwright acme closed {row.id}",
        effect="Until then anybody may reach the ports. The command is run again by itself.",
        retry_at=row.retry_at,
    )
