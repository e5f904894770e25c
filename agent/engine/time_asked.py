"""What the CAs say of the time, asked while the machine's clock isn't believed. Runs without the lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.contract.source import SourceContext, is_aware
from agent.registry.sources import SourceHandle

AGREES = timedelta(minutes=10)
"""So much a clock may differ from that of a CA."""
ENOUGH = 2
"""Answers that have to agree with the clock."""
BETWEEN_SECONDS = 15.0
"""Between two questions to the only CA."""


@dataclass(frozen=True)
class TimeAsked:
    """What came of asking: the sources that agree with the machine's clock, and those that don't."""

    agreeing: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def agree(self) -> bool:
        """Whether the machine's clock is right."""
        return len(self.agreeing) >= ENOUGH and not self.others

    @property
    def who(self) -> str:
        """Return who says so, a clause."""
        names = list(dict.fromkeys(self.agreeing))
        return (
            f"the clocks of {' and '.join(names)} agree with it"
            if names[1:]
            else f"the clock of {names[0]} agrees with it"
        )


def ask_the_time(asked: Sequence[tuple[SourceHandle, SourceContext]], wall: Callable[[], datetime]) -> TimeAsked:
    """Ask each CA, and the only one twice. `wall`: what the machine's clock shows."""
    found = [(source.authority, _agrees(source, context, wall)) for source, context in asked]
    if found[1:] or not found[0][1]:
        return _of(found)
    ((source, context),) = asked
    context.wait(BETWEEN_SECONDS)
    return _of([*found, (source.authority, _agrees(source, context, wall))])


def _agrees(source: SourceHandle, context: SourceContext, wall: Callable[[], datetime]) -> bool | None:
    """Return whether a CA agrees with the machine's clock; None: it gives no answer, whatever the source does."""
    if context.cancelled:
        return None
    with suppress(Exception):
        there = source.time(context)
        return abs(there - wall()) <= AGREES if is_aware(there) else None
    return None


def _of(found: Sequence[tuple[str, bool | None]]) -> TimeAsked:
    agreeing, others = ([who for who, agrees in found if agrees is each] for each in (True, False))
    return TimeAsked(tuple(agreeing), tuple(others))
