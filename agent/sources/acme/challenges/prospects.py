"""`Prospects`: which methods would prove a name, the cheapest first, and what is missing for the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agent.errors.preflight import PreflightStopped

if TYPE_CHECKING:
    from agent.errors import SourceError
    from agent.sources.acme.challenges.challenge_type import ChallengeType
    from agent.sources.acme.challenges.method import Method
    from agent.sources.acme.preflight.findings import Finding

Offered = Mapping[str, Collection[str]]
"""Name -> types of challenges that the CA offers for it; a name that is not in it gets them all."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What one method would come to for one name."""

    method: Method
    missing: str = ""
    """A clause: why it can't be tried."""
    error: SourceError | None = None
    """Why it would fail, as far as can be seen from here."""
    how: str = ""
    """A clause: what will be done, where that can't be tried beforehand."""

    @property
    def works(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.missing and self.error is None


class Prospects:
    """Those of the names of one order. A method is looked at only where the cheaper ones don't do."""

    def __init__(
        self, methods: Sequence[Method], doubted: Callable[[str], Container[ChallengeType]], tell: Callable[[str], None]
    ) -> None:
        """`doubted` says which methods have failed for a name lately: they come last. `tell` gets warnings."""
        self.methods = methods
        self._doubted = doubted
        self._tell = tell
        self._ranked: dict[str, list[Method]] = {}
        self._seen: dict[str, dict[ChallengeType, Prospect]] = defaultdict(dict)
        self._bars: dict[str, list[Finding]] = defaultdict(list)

    def bar(self, found: Iterable[Finding]) -> None:
        """Have methods fail that the preflight has found something against."""
        for each in found:
            self._bars[each.name].append(each)

    def unbar(self, names: Collection[str]) -> None:
        """Forget that, for names for which the CA is asked all the same."""
        for name in names:
            if barred := self._bars.pop(name, None):
                types = frozenset().union(*(each.methods for each in barred))
                self._seen[name] = {type_: each for type_, each in self._seen[name].items() if type_ not in types}

    def open_to(self, name: str) -> list[str]:
        """Return the types of challenges that may be tried for a name, as far as the settings say."""
        return [each.type for each in self.methods if not each.why_not(name)]

    def look(self, names: Collection[str], retry_at: datetime, offered: Offered | None = None) -> None:
        """Look at one method after the other until each name has one that works, of those that the CA offers for it."""
        for rank in range(len(self.methods)):
            found = [(name, self._rank(name)[rank]) for name in names if self.choice(name, offered) is None]
            self._look_at([(name, each) for name, each in found if is_offered(each, name, offered)], retry_at)

    def look_at_all(self, names: Collection[str], retry_at: datetime) -> None:
        """Look at each method for each name."""
        for method in self.methods:
            self._look_at([(name, method) for name in names], retry_at)

    def of(self, name: str) -> list[Prospect]:
        """Return what has been found out about a name, the method first that is tried first."""
        seen = self._seen[name]
        return [seen[each.type] for each in self._rank(name) if each.type in seen]

    def choice(self, name: str, offered: Offered | None = None, *, anyway: bool = False) -> Method | None:
        """Return the first method that works, of those that the CA offers; `anyway`: else the first that can be tried."""
        found = [each for each in self.of(name) if is_offered(each.method, name, offered) and not each.missing]
        ranked = sorted(found, key=lambda each: not each.works)
        return next((each.method for each in ranked if each.works or anyway), None)

    def _rank(self, name: str) -> list[Method]:
        if name not in self._ranked:
            doubted = self._doubted(name) if len(self.methods) > 1 else ()
            self._ranked[name] = sorted(self.methods, key=lambda each: each.type in doubted)
        return self._ranked[name]

    def _look_at(self, pairs: Sequence[tuple[str, Method]], retry_at: datetime) -> None:
        tried: dict[Method, list[str]] = defaultdict(list)
        for name, method in pairs:
            if method.type in self._seen[name]:
                continue
            found = self._at_first_sight(method, name, retry_at)
            self._seen[name][method.type] = found
            if found.works:
                tried[method].append(name)
        for method, names in tried.items():
            self._prepare(method, names, retry_at)

    def _at_first_sight(self, method: Method, name: str, retry_at: datetime) -> Prospect:
        if missing := method.why_not(name):
            return Prospect(method, missing)
        bars = [each for each in self._bars[name] if method.type in each.methods]
        return Prospect(method, error=PreflightStopped(bars, retry_at) if bars else None)

    def _prepare(self, method: Method, names: Sequence[str], retry_at: datetime) -> None:
        outlook = method.prepare(names, retry_at=retry_at)
        for name in names:
            missing, error = outlook.absent.get(name, ""), outlook.failed.get(name)
            prospect = Prospect(method, missing, error, outlook.how.get(name, ""))
            self._seen[name][method.type] = prospect
        for each in outlook.warnings:
            self._tell(each)


def is_offered(method: Method, name: str, offered: Offered | None) -> bool:
    """Whether the CA offers a method for a name, as far as is known."""
    return offered is None or name not in offered or method.type in offered[name]
