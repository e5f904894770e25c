"""Stories: what happens to one appliance in its years, made from a seed; and the shortest one that still goes wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

KINDS = {
    "away": (0.1, 40.0),
    "limited": (0.1, 7.0),
    "revoked": (3.0, 3.0),
    "moved": (3.0, 3.0),
    "raises": (0.1, 30.0),
    "module_raises": (0.1, 10.0),
    "upload": (20.0, 398.0),
    "root": (0.0, 0.0),
    "site": (10.0, 300.0),
    "ladder": (1.0, 120.0),
    "killed": (0.0, 0.0),
    "power": (0.01, 30.0),
    "suspended": (0.1, 60.0),
    "full": (0.05, 5.0),
    "stopped": (0.01, 5.0),
    "refuses": (0.1, 5.0),
    "deaf": (0.1, 5.0),
    "lost": (0.0, 0.0),
    "restored": (0.5, 60.0),
    "boot_past": (0.01, 3.0),
    "boot_ahead": (0.01, 3.0),
    "leap": (0.01, 3.0),
}
"""Kinds of trouble -> shortest and longest span in days."""
FAULTS_A_YEAR = 6


@dataclass(frozen=True)
class Fault:
    """One thing that happens, and when it is over."""

    day: float
    """Since the begin."""
    kind: str
    span: float
    """Days."""
    choice: int
    """A number by which the kind chooses what it hits."""

    def __str__(self) -> str:
        return f"day {self.day:7.2f}: {self.kind} for {self.span:.2f} days (choice {self.choice})"


@dataclass(frozen=True)
class Story:
    """All that makes a run what it is."""

    seed: int
    years: float
    chains: int
    faults: tuple[Fault, ...]

    @property
    def suggests(self) -> bool:
        """Whether the CA suggests when to renew."""
        return self.seed % 2 == 0

    @property
    def synchronised(self) -> bool:
        """Whether NTP keeps the clock of the machine; else a person sets it right."""
        return self.seed % 3 != 0

    @property
    def root_days(self) -> int:
        """Return the lifetime of the appliance's roots: where it is short, several follow each other in a story."""
        return 200 if self.seed % 4 == 1 else 3650

    def __str__(self) -> str:
        head = f"seed {self.seed}, {self.years:g} years, {self.chains} chains"
        return "\n".join([head, *(f"  {each}" for each in self.faults)])


def story_of(seed: int, years: float, chains: int, kinds: Sequence[str] = tuple(KINDS)) -> Story:
    """Return the story of a seed."""
    chance = random.Random(seed)
    number = round(years * FAULTS_A_YEAR)
    faults = [_fault(chance, years * 365, kinds) for _ in range(number)]
    return Story(seed, years, chains, tuple(sorted(faults, key=lambda each: each.day)))


def _fault(chance: random.Random, days: float, kinds: Sequence[str]) -> Fault:
    kind = chance.choice(kinds)
    shortest, longest = KINDS[kind]
    span = shortest * (longest / shortest) ** chance.random() if shortest else 0.0
    return Fault(round(1 + chance.random() * days, 3), kind, round(span, 3), chance.randrange(1_000_000))


def shortest(story: Story, goes_wrong: Callable[[Story], bool]) -> Story:
    """Return a story with as few faults as still go wrong (delta debugging: halves are left out, then quarters, ...)."""
    parts = 2
    while len(story.faults) >= 1:
        shorter = next((each for each in _without(story, parts) if goes_wrong(each)), None)
        if shorter is not None:
            story, parts = shorter, max(parts - 1, 2)
        elif parts >= len(story.faults):
            return story
        else:
            parts = min(2 * parts, len(story.faults))
    return story


def _without(story: Story, parts: int) -> Iterable[Story]:
    """Yield a story without each of so many parts of its faults, the latest first."""
    size = max(1, -(-len(story.faults) // parts))
    for begin in reversed(range(0, len(story.faults), size)):
        yield replace(story, faults=story.faults[:begin] + story.faults[begin + size :])
