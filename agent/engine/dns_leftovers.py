"""Records in DNS that a crash, or a solver that failed, has left: removed by a worker, without the lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from agent.errors.dns import RecordLeft
from agent.errors.problem import Problem
from agent.model.dns_record import DnsRecord
from agent.model.finding import Finding, Severity, SubjectKind
from agent.store import Store

if TYPE_CHECKING:
    from agent.dns.lookups import Lookups
    from agent.dns.solver_context import SolverContext
    from agent.engine.source_context import DnsParts, SourceServices
    from agent.engine.write_queue import Writer
    from agent.registry.dns_solvers import DnsHandle

SCOPE = "DNS records"
"""Of what is said of those that could not be removed."""
BEGUN = timedelta(minutes=10)
"""Nobody else removes the same for so long; then the process that began is taken to be dead."""
LOOK_AGAIN = timedelta(hours=1)
"""Until it is looked again whether somebody has removed a record by hand."""
LOOK_SECONDS = 10.0


def left_records(store: Store, now: datetime) -> list[DnsRecord]:
    """Return the records whose order nobody works at."""
    leased = store.orders.leased(now)
    return [each for each in store.dns_records.all() if each.order not in leased]


def reset_backoff(store: Store) -> None:
    """Let it be tried at once again with records that could not be removed. Call inside `Store.write`."""
    store.dns_records.put(
        [replace(each, retry_at=None, settings_digest="") for each in store.dns_records.all() if each.problem]
    )


def as_tables_are(rows: Iterable[DnsRecord], solvers: Mapping[str, DnsHandle]) -> Iterator[DnsRecord]:
    """Yield records, without their pause where the table that makes them has changed."""
    digests = {name: each.digest for name, each in solvers.items()}
    yield from (each.with_table(digests.get(each.solver, "")) for each in rows)


def begin(store: Store, names: Collection[str], solvers: Mapping[str, DnsHandle], now: datetime) -> list[DnsRecord]:
    """Return the records to remove, and keep others from doing the same for a while. Call inside `Store.write`."""
    rows = [each for each in left_records(store, now) if each.name in names]
    digests = {name: each.digest for name, each in solvers.items()}
    begun = partial(replace, tried_at=now, retry_at=now + BEGUN)
    store.dns_records.put([begun(each, settings_digest=digests.get(each.solver, "")) for each in rows])
    return rows


def remove(rows: Sequence[DnsRecord], services: SourceServices, stop: threading.Event) -> int:
    """Have records removed, whatever happens; return how many there were."""
    from agent.dns.lookups import Lookups
    from agent.dns.solver_context import SolverContext

    dns = services.dns
    lookups = dns.lookups(dns.settings) if dns.lookups else Lookups()
    context = SolverContext(services.layout.rooted, services.clock, stop.is_set)
    return Removal(tuple(rows), dns, lookups, context, services.writer).run()


@dataclass(frozen=True)
class Removal:
    """Work of one worker."""

    rows: tuple[DnsRecord, ...]
    dns: DnsParts
    lookups: Lookups
    context: SolverContext
    writer: Writer

    def run(self) -> int:
        """Have all removed that can be; return how many there were."""
        from agent.engine.dns_publishing import by_zone, take_out

        for name, those in by_zone(self.rows):
            if self.context.cancelled:
                break
            if name in self.dns.solvers:
                take_out(self.dns.solvers[name], those, self.context, self.writer)
            else:
                self._look_for(those)
        return len(self.rows)

    def _look_for(self, rows: Iterable[DnsRecord]) -> None:
        """Forget records that somebody has removed, and note those of which a person has to know."""
        there = [each for each in rows if self._is_there(each)]
        gone = [each for each in rows if each not in there]
        now = self.context.now()
        noted = [
            replace(each, tried_at=now, retry_at=now + LOOK_AGAIN, problem=_left(each), settings_digest="")
            for each in there
        ]
        self.writer.write(lambda store: store.dns_records.delete(gone))
        self.writer.write(lambda store: store.dns_records.put(noted))

    def _is_there(self, row: DnsRecord) -> bool:
        """Whether a server of the zone has it, or none says anything."""
        from agent.dns.exchange import Budget, Unanswered

        budget = Budget(time.monotonic() + LOOK_SECONDS, self.context.stopping)
        try:
            servers = self.lookups.authoritative_servers(row.name, budget)
        except Unanswered:
            return True
        found = [
            each for each in self.lookups.ask_each(row.name, servers, budget).values() if isinstance(each, frozenset)
        ]
        return not found or any(row.value in each for each in found)


def of_left_records(
    rows: Iterable[DnsRecord], tables: Collection[str], failed: Mapping[tuple[str, str], str]
) -> list[Finding]:
    """Return what is wrong with records that no order needs any more.

    `failed`: order -> code of its problem. A solver that fails an order as it fails to remove its record is told once.
    """
    found: dict[tuple[str, str], Finding] = {}
    for each in rows:
        problem = _left(each) if each.solver not in tables else each.problem
        if problem is not None and problem.code != failed.get(each.order):
            subject = f"{each.name} {each.value}"
            found[each.solver, subject] = Finding(
                SubjectKind.RECORD, subject, Severity.WARNING, problem, title=each.name
            )
    return list(found.values())


def _left(row: DnsRecord) -> Problem:
    problem = RecordLeft(row.name, row.value, f"[dns.{row.solver}]").problem
    return replace(problem, retry_at=row.retry_at)
