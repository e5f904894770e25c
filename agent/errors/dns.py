"""A record that proves a name could not be put into DNS, or was not seen there."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import cached_property

from agent.errors.acme import AGAIN
from agent.errors.plugin import LIST
from agent.errors.source import SourceError


class DnsProofError(SourceError):
    """Names can't be proved by records in DNS."""

    code = "source.dns"
    domains: Collection[str]
    """Without ``*.``."""

    @cached_property
    def failed(self) -> frozenset[str]:
        """Names that can't be proved."""
        return frozenset(each for domain in self.domains for each in (domain, f"*.{domain}"))


class SolverCrashed(DnsProofError):
    """A DNS solver raised something that isn't its contract."""

    code = "source.dns_solver_crashed"
    cause = "The DNS solver failed in {hook} in a way it does not explain: {error:reason}."
    where = "{table}{place:? (%)}"
    fix = f'Correct or update the plugin "{{plugin}}"; {LIST} names its distribution.'
    detail = "{error:place}"
    table: str
    plugin: str
    hook: str
    error: BaseException
    place: str = ""
    """File and line of the plugin."""
    retry_at: datetime | None = None


class SolverHangs(DnsProofError):
    """A DNS solver did not come to an end."""

    code = "source.dns_solver_hangs"
    cause = 'The DNS solver, of the plugin "{plugin}", did not come to an end of {hook} within {seconds:number} s.'
    where = "{table}{place:? (%)}"
    fix = "Look whether what it talks to answers; where it needs longer, set timeout in {table}."
    table: str
    plugin: str
    hook: str
    seconds: float
    place: str = ""
    """File and line of the plugin."""
    retry_at: datetime | None = None


class NoSolver(DnsProofError):
    """No table serves the zone in which a record is to be written."""

    code = "source.dns_no_solver"
    cause = (
        "No [dns.NAME] table serves {name}, where the record that proves {domains:few} is to be written"
        "{alias:?, as % is an alias}."
    )
    where = "[dns]"
    fix = f"Add one that names its zone, or one without zones, which serves every zone, {AGAIN}"
    name: str
    retry_at: datetime
    alias: str = ""
    """What leads there; empty: nothing."""


class ZoneUnknown(DnsProofError):
    """Nobody says which zone a record belongs to."""

    code = "source.dns_zone_unknown"
    cause = "Where the record {name} is to be written can't be found out: {why}."
    where = "{name}"
    fix = f"Look whether this network's resolvers can resolve it, or name others as resolvers in [dns01], {AGAIN}"
    name: str
    why: str
    retry_at: datetime


class RecordsUnseen(DnsProofError):
    """A solver has made records, and not every server of their zone has them."""

    code = "source.dns_records_unseen"
    cause = (
        "The record {name}, which proves {domains:few}, was made, and after {seconds:number} s is seen at {seen} of {asked}, "
        "not at {server}: {why}."
    )
    where = "{table}"
    fix = f"{{cure}}, {AGAIN}"
    detail = "{all_seen}"
    table: str
    name: str
    seconds: float
    seen: int
    asked: int
    server: str
    why: str
    cure: str
    retry_at: datetime
    all_seen: str = ""


class RecordTaken(DnsProofError):
    """A record that holds few values, which another order needs now."""

    code = "source.dns_record_taken"
    cause = (
        "The record {name}, which proves {domains:few}, holds {most} values at most, and {seconds:number} s later an order "
        "for {other} at {source} still needs it."
    )
    where = "{name}"
    fix = (
        f"It is tried again by itself; for orders of a name at several CAs use a solver that keeps more values, {AGAIN}"
    )
    name: str
    most: int
    other: str
    source: str
    seconds: float
    retry_at: datetime


class RecordLeft(SourceError):
    """A record that no order needs any more, and no table can remove."""

    code = "source.dns_record_left"
    cause = 'The TXT record {name} "{value}" was made by {table}, which is no longer in the settings, so that it stays in DNS.'
    where = "{table}"
    fix = "Remove this TXT record by hand (each hour it's looked whether it is gone), or put the table back: then the agent does."
    name: str
    value: str
    table: str
