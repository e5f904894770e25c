"""The shortest story that still goes wrong: so that a failure shows what it takes."""

from __future__ import annotations

from dataclasses import replace

from timemachine.clock import BEGIN
from timemachine.run import DAY, Outcome, play
from timemachine.story import Story, shortest


def shortened(story: Story, outcome: Outcome) -> Story:
    """Return the shortest story that leads to the same kind of thing as the first that was wrong."""
    first = outcome.violations[0]
    years = min(story.years, (first.at - BEGIN) / (365 * DAY) + 0.05)
    kept = tuple(each for each in story.faults if each.day <= years * 365)
    cut = replace(story, years=round(years, 2), faults=kept)
    return shortest(cut if goes_wrong(cut, first.kind) else story, lambda each: goes_wrong(each, first.kind))


def goes_wrong(story: Story, kind: str) -> bool:
    """Whether a story leads to the same kind of thing."""
    return any(each.kind == kind for each in play(story, first_only=True).violations)


def told(story: Story) -> list[str]:
    """Play a story; return what went wrong, and the shortest story that leads to it."""
    outcome = play(story)
    if not outcome.violations:
        return []
    return [*map(str, outcome.violations), f"the shortest story: {shortened(story, outcome)!r}"]
