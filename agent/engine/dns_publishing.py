"""Records that prove names: made by DNS solvers, seen at every server of their zone, and removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.contract.dns_solver import TxtRecord
from agent.dns.exchange import Budget, Unanswered
from agent.dns.lookups import Lookups
from agent.dns.solver_context import SolverContext
from agent.errors.dns import NoSolver, ZoneUnknown
from agent.registry.dns_solvers import DnsHandle, solver_for

PREFIX = "_acme-challenge."
LOOKUP_SECONDS = 10.0
"""For all questions about where one record is to be written."""


@dataclass(frozen=True)
class StoredDns01:
    """`agent.contract.dns_solver.Dns01` for one order."""

    solvers: Mapping[str, DnsHandle]
    lookups: Lookups
    context: SolverContext
    retry_at: Callable[[], datetime]
    """When an order that fails of DNS is tried again."""

    def solver_for(self, domain: str) -> str | None:
        """Return the name of the table that would serve `domain`; None: there is none, or nobody can say."""
        if not self.solvers:
            return None
        try:
            name = self._canonical(domain)
        except Unanswered:
            name = PREFIX + domain
        found = solver_for(name, self.solvers.values())
        return found.name if found else None

    def where(self, domain: str) -> TxtRecord:
        """Return where the record of `domain` is to be written. Raises `ZoneUnknown`."""
        try:
            name = self._canonical(domain)
            zone = self.lookups.zone_of(name, self._budget()).name
        except Unanswered as error:
            raise ZoneUnknown([domain], PREFIX + domain, str(error), self.retry_at()) from error
        return TxtRecord(name=name, value="", zone=zone, domain=domain)

    def publish(self, records: Sequence[TxtRecord]) -> None:
        """Have the records made. Raises `SourceError`."""
        for solver, those in self._by_zone(records):
            self._present(solver, those)

    def withdraw(self, records: Sequence[TxtRecord]) -> None:
        """Have exactly these records removed."""
        for solver, those in self._by_zone(records):
            self._clean_up(solver, those)

    def _present(self, solver: DnsHandle, records: Sequence[TxtRecord]) -> None:
        solver.present(records, self.context)

    def _clean_up(self, solver: DnsHandle, records: Sequence[TxtRecord]) -> None:
        solver.clean_up(records, self.context)

    def _by_zone(self, records: Iterable[TxtRecord]) -> list[tuple[DnsHandle, list[TxtRecord]]]:
        """Return the records of each zone with its solver. Raises `NoSolver`."""
        found: dict[tuple[str, str], list[TxtRecord]] = {}
        for each in records:
            solver = solver_for(each.name, self.solvers.values())
            if solver is None:
                raise NoSolver([each.domain], each.name, self.retry_at())
            found.setdefault((solver.name, each.zone), []).append(each)
        return [(self.solvers[name], those) for (name, _), those in found.items()]

    def _canonical(self, domain: str) -> str:
        return self.lookups.canonical_name(PREFIX + domain, self._budget())

    def _budget(self) -> Budget:
        return Budget(time.monotonic() + LOOKUP_SECONDS, lambda: self.context.cancelled)
