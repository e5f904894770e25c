"""The finding that the machine's clock isn't believed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from agent.errors.problem import Problem
from agent.model.finding import Finding, Severity, SubjectKind
from agent.system.clock_judgement import AHEAD, BEHIND, NEVER_SET, Belief, Doubt

CODE = "status.clock"
SUBJECT = "clock"
WHY = {
    BEHIND: "it is behind what was seen before the machine was started",
    AHEAD: "it is more than 30 days ahead of what was seen before the machine was started",
    NEVER_SET: "it is more than 30 years after the release of this version",
}
LEAPT = "it was set to another time while the machine ran"


def kind_in_words(doubt: Doubt) -> str:
    """Return the reason for a doubt, a clause."""
    return WHY.get(doubt.kind, LEAPT)


def of_clock(belief: Belief) -> list[Finding]:
    """Return the finding about the clock, none where it is believed."""
    doubt = belief.doubt
    if doubt is None:
        return []
    since = datetime.fromtimestamp(doubt.since, UTC)
    return [Finding(SubjectKind.APPLIANCE, SUBJECT, Severity.WARNING, not_believed(belief.instant, doubt), since)]


def with_clock(noted: Sequence[Finding], belief: Belief) -> tuple[Finding, ...]:
    """Return the findings that passes have noted, with the one about the clock as it is now in place of theirs."""
    return (*(each for each in noted if each.problem.code != CODE), *of_clock(belief))


def not_believed(instant: float, doubt: Doubt) -> Problem:
    """Say what the clock shows, what is believed instead and why, and what settles it."""
    return Problem(
        CODE,
        f"The machine's clock shows {_shown(doubt.wall)} and isn't believed: {kind_in_words(doubt)}."
        f" By what is known it is {_shown(instant)} or later.",
        "",
        "If the clock is right: chainwright clock accept. Else set it, for example with timedatectl set-ntp true.",
        "What serves goes on, and local chains are made as they are needed. No CA is asked, and nothing ends or is renewed by"
        " the clock, until NTP, the CAs or a person say what time it is.",
    )


def _shown(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
