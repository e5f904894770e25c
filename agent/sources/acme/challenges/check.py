"""`check`: what an order would meet, name by name and method by method. Nothing is ordered."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.errors.challenges import NotAsked
from agent.errors.preflight import PreflightStopped
from agent.sources.acme.challenges.prospects import Prospect, Prospects
from agent.sources.acme.challenges.refusal import obstacle, refusal
from agent.sources.acme.preflight.findings import Findings, lines, two_lines
from agent.system.names import is_address

if TYPE_CHECKING:
    from agent.contract.source import SourceContext
    from agent.errors.challenges import Obstacle
    from agent.sources.acme.ca_context import CaContext
    from agent.sources.acme.challenges.method import Method
    from agent.sources.acme.messages import Account
    from agent.sources.acme.source import AcmeSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One method for one name."""

    name: str
    method: str
    obstacle: Obstacle | None
    """What is missing; None: it works, as far as can be seen."""
    how: str = ""
    """A clause: what would be done, where that can't be tried beforehand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was seen."""

    ways: tuple[Way, ...]
    """Name by name, the method first that is tried first."""
    lines: tuple[str, ...]
    """For people: what stops an order, what may, and what is worth knowing."""
    would_fail: bool


def check(
    source: AcmeSource,
    ca: CaContext,
    methods: Sequence[Method],
    names: Sequence[str],
    account: Account | None,
    context: SourceContext,
) -> Check:
    """Look at each of `methods` for each name that the CA may be asked for. Raises `CaProblem` and `CaUnreachable`."""
    never = [NotAsked(source.ca, name, why, _cure(name)) for name in names if (why := source.why_not_asked(name))]
    names = [name for name in names if not source.why_not_asked(name)]
    warned: list[str] = []
    prospects = Prospects(methods, lambda _name: (), warned.append)
    found = ca.examine(names, prospects.open_to, account, context)
    prospects.bar(found.bars)
    prospects.look_at_all(names, context.now())
    lacking = [name for name in names if prospects.choice(name) is None]
    stopped = {each.name for each in found.stops}
    seen = Findings(tuple(each for each in found.all if not each.methods or each.name in lacking or not each.certain))
    none = None if account else ca.why_no_account(context)
    said = [line for each in [*never, *([none] if none else [])] for line in two_lines("stops", each.problem)]
    said += [*_stops(source.ca, prospects, lacking, context), *(f"warns  {each}" for each in warned)]
    return Check(
        ways=tuple(_way(name, each, stopped) for name in names for each in prospects.of(name)),
        lines=(*said, *(lines(seen) if seen.all or not said else [])),
        would_fail=bool(never or none or lacking or found.stops),
    )


def _cure(name: str) -> str:
    """Return what has the CA asked for a name, where anything has."""
    if is_address(name):
        return "A local chain serves it. Set addresses = true in the table of the CA, if it certifies addresses."
    if name.endswith(".onion"):
        return "A local chain serves it."
    return 'A local chain serves it. For the CA of a company that certifies it: names = "any" in its table.'


def _way(name: str, prospect: Prospect, stopped: Collection[str]) -> Way:
    """Return what there is to say of a method; `stopped`: names of which no order is placed, whatever the method."""
    missing = None if prospect.works else obstacle(name, prospect)
    how = "what stops the order is mended" if {name, ""} & {*stopped} else prospect.how
    return Way(name=name, method=prospect.method.type, obstacle=missing, how="" if missing else how)


def _stops(authority: str, prospects: Prospects, lacking: Sequence[str], context: SourceContext) -> Iterator[str]:
    """Yield why nothing proves some names; what the preflight has found is said of it anyway."""
    if lacking:
        error = refusal(authority, prospects, lacking, None, context.now())
        if not isinstance(error, PreflightStopped):
            yield from two_lines("stops", error.problem)
