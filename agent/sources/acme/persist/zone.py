"""The DNS as records are looked for: past all memory, at every server of the zone in which they lie."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.dns.exchange import Budget, Unanswered
from agent.dns.lookups import Lookups, NoRoute, strings_of
from agent.sources.acme.persist.looking import Said

if TYPE_CHECKING:
    from agent.contract.source import SourceContext
    from agent.sources.acme.source import AcmeSource

SECONDS = 15.0
"""For all servers of one record."""


class DnsZones:
    """`agent.sources.acme.persist.looking.Zone`. Where a zone is, resolvers say; what it has, its servers say."""

    def __init__(self, lookups: Lookups, cancelled: Callable[[], bool]) -> None:
        self._lookups, self._cancelled = lookups, cancelled

    def records(self, owner: str) -> Said | str:
        """Return what each server of the zone has; one that this machine has no route to is left out."""
        budget = Budget(time.monotonic() + SECONDS, self._cancelled)
        try:
            name = self._lookups.canonical_name(owner, budget)
            servers = self._lookups.authoritative_servers(name, budget)
            found = self._lookups.records_at_each(name, servers, budget)
        except Unanswered as error:
            return str(error)
        asked = {server: each for server, each in found.items() if not isinstance(each, NoRoute)}
        return {
            str(server): str(each) if isinstance(each, Unanswered) else [strings_of(record) for record in each]
            for server, each in asked.items()
        }

    def zone_of(self, owner: str) -> str:
        """Return the zone in which `owner` is written, as resolvers know it; empty: they don't."""
        try:
            return self._lookups.zone_of(owner, Budget(time.monotonic() + SECONDS, self._cancelled)).name
        except Unanswered:
            return ""


def zones_of(source: AcmeSource, context: SourceContext) -> DnsZones:
    """Return the DNS for a source's CA."""
    resolvers = [(each.host, each.port) for each in source.resolvers]
    return DnsZones(Lookups(resolvers, port=source.dns_port), lambda: context.cancelled)
