"""What was found before the CA is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found for one order."""

    all: tuple[Finding, ...] = ()

    @property
    def stops(self) -> tuple[Finding, ...]:
        """Those because of which the CA isn't asked."""
        return tuple(each for each in self.all if each.certain)

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
    ranked = (("stops", findings.stops), ("warns", findings.warnings), ("notes", findings.notes))
    found = [line for word, those in ranked for each in those for line in _two_lines(word, each)]
    return found or ["Nothing was found that would keep the CA from issuing."]


def _two_lines(word: str, finding: Finding) -> Iterator[str]:
    yield f"{word}  {finding.cause}"
    yield f"       {finding.fix}"


def without_repeats(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in their order, what is the same for several names once."""
    return tuple(dict.fromkeys(found))


def listed(texts: Sequence[str]) -> str:
    """Return ``a, b, c and 4 more``."""
    shown = ", ".join(texts[:LISTED])
    return f"{shown} and {len(texts) - LISTED} more" if len(texts) > LISTED else shown
