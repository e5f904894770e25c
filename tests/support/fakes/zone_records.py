"""`Dns01` that writes into the zones of a test's own servers, with nothing of the core between."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from agent.contract.dns_solver import TxtRecord
from agent.errors import SourceError
from support.servers.zones import Zones


class ZoneRecords:
    """Writes as the zones' administrator; remembers what it was asked for."""

    def __init__(self, zones: Zones, *served: str) -> None:
        """`served`: the zones that it has a solver for."""
        self._zones = zones
        self._served = served
        self.published: list[list[TxtRecord]] = []
        self.there: set[TxtRecord] = set()
        self.failing: Collection[str] = ()
        """Domains whose records can't be made."""
        self.nowhere: Collection[str] = ()
        """Domains of which it isn't known where their records belong."""
        self.aliases: dict[str, str] = {}
        """Domain -> name to which that of its record leads."""

    def solver_for(self, domain: str) -> str | None:
        zone = self._zones.zone_of(domain)
        return zone if zone in self._served else None

    def alias_of(self, domain: str) -> str:
        return self.aliases.get(domain, "")

    def where(self, domain: str) -> TxtRecord:
        if domain in self.nowhere:
            raise SourceError(f"The zone of {domain} is not found.", fix="Delegate it.")
        return TxtRecord(name=f"_acme-challenge.{domain}", value="", zone=self._zones.zone_of(domain), domain=domain)

    def publish(self, records: Sequence[TxtRecord]) -> None:
        self.published.append(list(records))
        if any(each.domain in self.failing for each in records):
            raise SourceError("The zone can't be written.", fix="Give the agent the right to.")
        for zone in {each.zone for each in records}:
            self._change("add", zone, records)
        self.there |= set(records)

    def withdraw(self, records: Sequence[TxtRecord]) -> None:
        gone = [each for each in records if each in self.there]
        for zone in {each.zone for each in gone}:
            self._change("delete", zone, gone)
        self.there -= set(gone)

    def _change(self, action: str, zone: str, records: Sequence[TxtRecord]) -> None:
        changes = [(action, each.name, "TXT", f'"{each.value}"') for each in records if each.zone == zone]
        self._zones.bind9.update(zone, *changes)
