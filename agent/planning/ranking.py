"""Ranking of the chains that may serve a need, each with its reason. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from agent.contract.source import ChainRecord
from agent.errors.problem import rfc3339
from agent.model.fitting import could_serve, fits, is_pinned
from agent.model.handover import ends_soon, urgency
from agent.model.need import Need
from agent.model.records import UPLOADED
from agent.planning.chain_index import age
from agent.planning.evidence import Evidence
from agent.system.names import covers, covers_all, is_wildcard


@dataclass(frozen=True)
class RankedChain:
    """A chain that may serve a need now, and why."""

    record: ChainRecord
    reason: str
    stands_in: bool = False
    """It was made for more names, and serves until there is one for just these."""
    instead_of: ChainRecord | None = None
    """The first chain that would go before it if it didn't end soon."""


def rank(need: Need, evidence: Evidence, now: datetime) -> list[RankedChain]:
    """Return every chain that may serve `need` now, the best first.

    What ends soon comes after what doesn't, and what its service has refused comes last. All of them are valid now, not
    known to be revoked, of an accepted key type and the right purpose, and cover all names;
    chains that a source made serve the request that they were made for, uploaded ones serve by coverage. Where names are
    asked for apart from now on, a good chain for all of them together stays until there is one for each part: no source
    that needs the network is so quick that the next rung, which clients may not trust, would be better.
    """
    found = by_preference(need, evidence, now)
    return sorted(found, key=lambda each: is_refused(need, each.record, evidence))


def is_refused(need: Need, record: ChainRecord, evidence: Evidence) -> bool:
    """Whether the service of the need's module did not take a chain when it was given to it last."""
    return (*need.key, record.id) in evidence.refused


def by_preference(need: Need, evidence: Evidence, now: datetime) -> list[RankedChain]:
    """Return every chain that may serve `need` now, whatever was refused; what ends soon comes last."""
    by_rung = _by_rung(need, evidence, now)
    found = sorted(by_rung, key=lambda each: urgency(each.record, now))
    return found if found == by_rung else [_instead(each, by_rung, now) for each in found]


def _instead(ranked: RankedChain, by_rung: Sequence[RankedChain], now: datetime) -> RankedChain:
    """Return a chain with what has given way to it because it ends soon."""
    own = urgency(ranked.record, now)
    passed = (each.record for each in by_rung[: by_rung.index(ranked)] if urgency(each.record, now) > own)
    first = next(passed, None)
    return replace(ranked, reason=ranked.reason + as_it_ends(first), instead_of=first) if first else ranked


def as_it_ends(record: ChainRecord | None) -> str:
    """Say that a chain has given way because it ends soon; nothing where none has."""
    return f", as {record.id[:12]} ({record.source}) ends at {rfc3339(record.not_after)}" if record else ""


def _by_rung(need: Need, evidence: Evidence, now: datetime) -> list[RankedChain]:
    """Return every chain that may serve `need` now in the order of the ladder alone, whatever ends soon."""
    found: list[RankedChain] = []
    for members in evidence.groups(need):
        names = [source.name for source in members]
        if UPLOADED in names:
            found += _uploads(need, evidence, now)
        else:
            made = evidence.index.made_for(names, need.request.id, now)
            found += [RankedChain(record, _why_made(need, record.source)) for record in made if fits(need, record)]
            lasting = members[0].immediate or not all(ends_soon(record, now) for record in made)
            more = [] if lasting else evidence.index.made_for_more(names, need, now)
            found += [RankedChain(record, _why_more(record), stands_in=True) for record in more if fits(need, record)]
    return found


def _uploads(need: Need, evidence: Evidence, now: datetime) -> list[RankedChain]:
    fitting = [record for record in evidence.index.uploaded if could_serve(need, record, now)]
    pinned = [record for record in fitting if is_pinned(need, record, evidence.pins)]
    fitting.sort(key=_newness, reverse=True)
    fitting.sort(key=lambda record: (record not in pinned, closeness(need, record)))
    return [
        RankedChain(record, _why_pinned(need) if record in pinned else _why(need, record, fitting, pinned))
        for record in fitting
    ]


def _newness(record: ChainRecord) -> tuple[datetime, datetime, datetime, str]:
    """Of uploads the newest is the one that ends last, and of those that end together the one that begins last."""
    return record.not_after, *age(record)


def is_exact(need: Need, record: ChainRecord) -> bool:
    """Whether a chain has the very names of a need, without a wildcard's help."""
    return all(name in record.names for name in need.names)


def closeness(need: Need, record: ChainRecord) -> int:
    """Return how near the names of an upload are to those of a need; less is nearer: preferred wildcards, exact names, others."""
    if need.asked != need.names and covers_all(record.names, need.asked):
        return 0
    return 1 if is_exact(need, record) else 2


def _why_made(need: Need, source: str) -> str:
    return source if need.asked == need.names else f"{source}, by {shown(need.asked)}"


def _why_pinned(need: Need) -> str:
    return f"uploaded, covers {shown(need.names)}, pinned"


def _why(need: Need, record: ChainRecord, fitting: Sequence[ChainRecord], pinned: Sequence[ChainRecord]) -> str:
    how = [f"covers {shown(need.names)}"]
    if not is_exact(need, record):
        how.append(f"by {wildcard_for(need, record)}")
    same = [other for other in fitting if other not in pinned and closeness(need, other) == closeness(need, record)]
    if len(same) > 1 and same[0] is record:
        how.append(f"the newest of {len(same)}: it {_last(record, same[1])} last")
    return f"uploaded, {', '.join(how)}"


def _last(record: ChainRecord, other: ChainRecord) -> str:
    if record.not_after != other.not_after:
        return "ends"
    return "begins" if record.not_before != other.not_before else "was stored"


def wildcard_for(need: Need, record: ChainRecord) -> str:
    """Return the pattern by which a chain covers the first name that it does not have itself."""
    inexact = [name for name in need.names if name not in record.names]
    return next(pattern for pattern in record.names if is_wildcard(pattern) and covers(pattern, inexact[0]))


def shown(names: Sequence[str]) -> str:
    """Return a name, or how many there are."""
    return names[0] if len(names) == 1 else f"all {len(names)} names"


def _why_more(record: ChainRecord) -> str:
    together = " together" if len(record.names) > 1 else ""
    return f"{record.source}, made for {shown(record.names)}{together}"
