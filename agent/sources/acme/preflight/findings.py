"""What was found before the CA is asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.errors.problem import Problem

LISTED = 3
"""Things of one kind that a sentence names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that will make the CA refuse a name, or may."""

    name: str
    """As it was asked for; empty: it is about the whole order."""
    code: str
    """Stable, in one word: ``caa``, ``nxdomain``, ``clock`` ..."""
    cause: str
    """A sentence that names what it is about."""
    fix: str
    """The cure, as a sentence or a command."""
    certain: bool = False
    """The CA can't but refuse: asking it would cost a failed validation and bring nothing."""
    note: bool = False
    """Worth knowing when something fails; nothing needs to be done."""
    methods: frozenset[str] = frozenset()
    """Types of challenges that it speaks against, while others are open to the name; empty: against any."""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found for one order."""

    all: tuple[Finding, ...] = ()

    @property
    def stops(self) -> tuple[Finding, ...]:
        """Those because of which the CA isn't asked."""
        return tuple(each for each in self.all if each.certain and not each.methods)

    @property
    def bars(self) -> tuple[Finding, ...]:
        """Those because of which a name is proved in another way."""
        return tuple(each for each in self.all if each.certain and each.methods)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Those that may make it fail; the CA decides."""
        return tuple(each for each in self.all if not each.certain and not each.note)

    @property
    def notes(self) -> tuple[Finding, ...]:
        """Those that explain more than they say."""
        return tuple(each for each in self.all if each.note)


def lines(findings: Findings) -> list[str]:
    """Return what was found for people to read: what stops first, each with its cure in a second line."""
    ranked = (
        ("stops", findings.stops),
        ("stops", findings.bars),
        ("warns", findings.warnings),
        ("notes", findings.notes),
    )
    found = [line for word, those in ranked for each in those for line in two_lines(word, each)]
    return found or ["Nothing was found that would keep the CA from issuing."]


def two_lines(word: str, finding: Finding | Problem) -> Iterator[str]:
    """Yield what was found, and the cure."""
    yield f"{word}  {finding.cause}"
    yield f"       {finding.fix}"


def weighed(found: Iterable[Finding], methods: Callable[[str], Collection[str]]) -> Iterator[Finding]:
    """Yield findings; those that leave a name none of its `methods` speak against any."""
    kept = list(found)
    barred: dict[str, set[str]] = defaultdict(set)
    for each in kept:
        if each.certain:
            barred[each.name] |= each.methods
    for each in kept:
        is_open = not barred[each.name].issuperset(methods(each.name)) if each.name else True
        yield each if is_open or not each.methods else replace(each, methods=frozenset())


def without_repeats(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in their order, what is the same for several names once."""
    return tuple(dict.fromkeys(found))


def listed(texts: Sequence[str]) -> str:
    """Return ``a, b, c and 4 more``."""
    shown = ", ".join(texts[:LISTED])
    return f"{shown} and {len(texts) - LISTED} more" if len(texts) > LISTED else shown
