"""What the zone's own servers have for a name: never what a resolver remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from agent.errors.persist import PersistError, RecordElsewhere, RecordMissing, SeenInPart, ServersSilent
from agent.sources.acme.at_once import at_once
from agent.sources.acme.persist.judging import LATEST, Judgement, Strings, Wanted, is_meant, judge

Said = Mapping[str, Sequence[Strings] | str]
"""Server, as people write it -> the TXT records that it has, or a clause that says why it has said nothing."""


class Zone(Protocol):
    """The DNS, asked past all memory."""

    def zone_of(self, owner: str) -> str:
        """Return the zone in which `owner` lies; empty: that isn't known."""

    def records(self, owner: str) -> Said | str:
        """Return what each server of the zone has at the end of the aliases of `owner`; else a clause: why nobody is asked."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen of one name's record."""

    error: PersistError | None
    """None: the CA will find it, whichever of the servers it asks."""
    seen: int = 0
    """How many servers have a record that proves the name."""
    servers: int = 0
    until: datetime | None = None
    """When the record ends by its own words."""
    issuer: str = ""


def weigh(said: Said | str, wanted: Wanted) -> Sighting:
    """Return what the words of a zone's servers come to: those that say nothing don't count while others do."""
    record = wanted.record
    about = (wanted.name, record.owner, record.value, wanted.retry_at)
    if isinstance(said, str):
        return Sighting(ServersSilent(*about, said))
    judged = {server: judge(each, wanted) for server, each in said.items() if not isinstance(each, str)}
    if not judged:
        reasons = "; ".join(f"{server}: {why}" for server, why in said.items() if isinstance(why, str))
        return Sighting(ServersSilent(*about, reasons or "its zone has no servers"), servers=len(said))
    good = [each for each in judged.values() if each.error is None]
    bad = {server: each.error for server, each in judged.items() if each.error is not None}
    if not good:
        return Sighting(next(iter(bad.values())), servers=len(said))
    until = min((each.until for each in good if each.until), default=None)
    error = SeenInPart(*about, len(good), len(said), _first(bad)) if bad else None
    return Sighting(error, len(good), len(said), until, _issuer(good))


def look_up(zone: Zone, said: Said | str, wanted: Wanted) -> Sighting:
    """Return the same; where no server has the record, it's looked for at names where people set it by mistake."""
    found = weigh(said, wanted)
    if not isinstance(found.error, RecordMissing):
        return found
    owner, domain, zone_name = wanted.record.owner, wanted.domain, zone.zone_of(wanted.record.owner)
    entered = owner.removesuffix(f".{zone_name}")
    places = {f"{owner}.{zone_name}": entered} if zone_name else {}
    places |= {domain: "", f"_acme-challenge.{domain}": ""}
    there = dict(zip(places, at_once(zone.records, [*places]), strict=True))
    found_at = next((place for place, has in there.items() if _is_at(has, wanted)), None)
    if found_at is None:
        return found
    about = (wanted.name, owner, wanted.record.value, wanted.retry_at)
    return replace(found, error=RecordElsewhere(*about, found.error.ca, found_at, places[found_at]))


def _is_at(said: Said | str, wanted: Wanted) -> bool:
    return not isinstance(said, str) and any(
        is_meant(each, wanted) for each in said.values() if not isinstance(each, str)
    )


def _issuer(good: Sequence[Judgement]) -> str:
    return min(good, key=lambda each: each.until or LATEST).issuer


def _first(bad: Mapping[str, PersistError]) -> str:
    """Return the first server that does not have the record, and what it has instead."""
    server, error = next(iter(bad.items()))
    said = "it has no such record" if isinstance(error, RecordMissing) else error.problem.cause.rstrip(".")
    return f"{server}: {said}"
