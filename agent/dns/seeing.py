"""Whether each server of a zone has the records that were made: what a solver says proves nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from agent.dns.exchange import Budget, Unanswered
from agent.dns.lookups import AliasInstead, Lookups, NameServer, NoRoute

PAUSES = (0.05, 0.1, 0.2, 0.4)
"""Seconds between the first looks."""
PAUSE = 1.0
"""Between all others: a server that is told of a change late has it after five."""
ROUND_SECONDS = 10.0
"""For one look."""
SILENT_SECONDS = 10.0
"""After so long a server that says nothing is passed over where another one has the records: a CA asks the others too."""
TOLD_SECONDS = 1.0
"""After so long it is said what is waited for."""
ABSENT = "the record is not there"


@dataclass
class Sight:
    """What was seen of the values of one name."""

    name: str
    seen: list[NameServer] = field(default_factory=list)
    missing: dict[NameServer, str] = field(default_factory=dict)
    """Those that don't have all of them, with the reason."""
    silent: set[NameServer] = field(default_factory=set)
    """Those among them that say nothing at all."""
    hopeless: bool = False
    """It is an alias there: nothing will be seen."""

    @property
    def complete(self) -> bool:
        """Whether each server has them."""
        return not self.missing


def wait_until_seen(
    names: Mapping[str, Collection[str]],
    servers: Callable[[str, Budget], Sequence[NameServer]],
    lookups: Lookups,
    *,
    seconds: float,
    wait: Callable[[float], None],
    cancelled: Callable[[], bool],
    tell: Callable[[str], None],
) -> list[Sight]:
    """Ask until every server of each name has its values, or the time is up; return what was seen. Raises `Unanswered`."""
    begun = time.monotonic()
    deadline = begun + seconds
    budget = Budget(deadline, cancelled)
    sights = [Sight(name, missing=dict.fromkeys(servers(name, budget), ABSENT)) for name in names]
    pauses, told = iter(PAUSES), ""
    while True:
        for sight in sights:
            _look(sight, names[sight.name], lookups, Budget(time.monotonic() + ROUND_SECONDS, cancelled))
            _pass_over(sight, time.monotonic() - begun, tell)
        open_ones = [each for each in sights if not each.complete]
        now = time.monotonic()
        if not open_ones or now >= deadline or cancelled() or any(each.hopeless for each in open_ones):
            return sights
        if now - begun >= TOLD_SECONDS and told != (text := _awaited(open_ones)):
            tell(text)
            told = text
        wait(min(next(pauses, PAUSE), deadline - now))


def _awaited(sights: Sequence[Sight]) -> str:
    """Say what is waited for."""
    first = sights[0]
    server, why = min(first.missing.items())
    asked = len(first.seen) + len(first.missing)
    more = f", and {len(sights) - 1} more" if len(sights) > 1 else ""
    return f"waiting for {first.name} at {server}: {why}; seen at {len(first.seen)} of {asked}{more}"


def failed_sights(sights: Sequence[Sight]) -> list[Sight]:
    """Return the names whose values won't be seen; where one is hopeless, the others have not been waited for."""
    missing = [each for each in sights if not each.complete]
    return [each for each in missing if each.hopeless] or missing


def _look(sight: Sight, values: Collection[str], lookups: Lookups, budget: Budget) -> None:
    for server, found in lookups.ask_each(sight.name, sight.missing, budget).items():
        sight.silent.discard(server)
        if isinstance(found, Unanswered):
            sight.missing[server] = str(found)
            sight.hopeless = sight.hopeless or isinstance(found, AliasInstead)
            if not isinstance(found, AliasInstead):
                sight.silent.add(server)
        elif found >= set(values):
            del sight.missing[server]
            sight.seen.append(server)
        else:
            sight.missing[server] = ABSENT


def _pass_over(sight: Sight, waited: float, tell: Callable[[str], None]) -> None:
    """Pass over servers that say nothing, where others have the values."""
    if not sight.seen:
        return
    for server in sorted(sight.silent & sight.missing.keys()):
        why = sight.missing[server]
        if waited >= SILENT_SECONDS or why == NoRoute.WHY:
            del sight.missing[server]
            tell(f"{server} is passed over: {why}")
