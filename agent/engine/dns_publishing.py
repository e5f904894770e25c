"""Records that prove names: kept, made by DNS solvers, seen at every server of their zone, and removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from agent.contract.dns_solver import TxtRecord
from agent.dns.exchange import Budget, Unanswered
from agent.dns.lookups import Lookups, NameServer
from agent.dns.seeing import Sight, failed_sights, wait_until_seen
from agent.dns.solver_context import SolverContext
from agent.engine.dns_turns import keep_in_turn
from agent.engine.write_queue import Writer
from agent.errors.dns import DnsProofError, NoSolver, RecordsUnseen, RecordTaken, ZoneUnknown
from agent.errors.dns_solver import SolverMisconfigured, SolverRefused
from agent.errors.source import OrderCancelled, SourceError
from agent.model.dns_record import DnsRecord
from agent.model.pause import BACK_OFF, back_off
from agent.registry.dns_solvers import DnsHandle, solver_for

PREFIX = "_acme-challenge."
REFUSED = BACK_OFF[-1]
"""Until an order is tried again whose records somebody refuses to make."""
SHARE = 0.95
"""Of a solver's time: then it is to give up, so that it says itself what it waited for. After all of it, it hangs."""
LOOKUP_SECONDS = 10.0
"""For all questions about where one record is to be written."""


@dataclass(frozen=True)
class StoredDns01:
    """`agent.contract.dns_solver.Dns01` for one order."""

    solvers: Mapping[str, DnsHandle]
    lookups: Lookups
    context: SolverContext
    writer: Writer
    order: tuple[str, str]
    """Id of the request, and source."""
    retry_at: Callable[[], datetime]
    """When an order that fails of DNS is tried again."""
    seconds: float
    """So long it is waited until every server has the records."""
    _canonical_names: dict[str, str] = field(default_factory=dict)
    """Domain -> where its aliases have led: an order asks who writes a record, then where."""

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

    def alias_of(self, domain: str) -> str:
        """Return where the aliases of its record's name end; empty: it is none, or nobody can say."""
        if not self.solvers:
            return ""
        try:
            name = self._canonical(domain)
        except Unanswered:
            return ""
        return "" if name == PREFIX + domain else name

    def where(self, domain: str) -> TxtRecord:
        """Return where the record of `domain` is to be written. Raises `ZoneUnknown`, and what its solver lacks for it."""
        try:
            name = self._canonical(domain)
        except Unanswered as error:
            raise self._unknown(PREFIX + domain, domain, error) from error
        record = self._placed(TxtRecord(name=name, value="", domain=domain))
        if solver := solver_for(name, self.solvers.values()):
            with self._judging([record]):
                solver.check(record, self.context)
        return record

    def publish(self, records: Sequence[TxtRecord]) -> None:
        """Have the records made and seen, each kept before it is made. Raises `SourceError`."""
        groups = self._by_zone(map(self._placed, dict.fromkeys(records)))
        self._keep(groups)
        for solver, those in groups:
            self._present(solver, those)
        for solver, those in groups:
            self._see(solver, those)

    def withdraw(self, records: Sequence[TxtRecord]) -> None:
        """Have exactly these records removed; what fails is left to a later pass, and so is all where the agent stops."""
        wanted = {(each.name, each.value) for each in records}
        rows = [each for each in self.writer.read(lambda store: store.dns_records.all()) if each.order == self.order]
        for solver, those in by_zone(each for each in rows if (each.name, each.value) in wanted):
            if solver in self.solvers and not self.context.cancelled:
                take_out(self.solvers[solver], those, self.context, self.writer)

    def _keep(self, groups: Sequence[tuple[DnsHandle, Sequence[TxtRecord]]]) -> None:
        """Keep what is about to be made, when other orders leave room for it. Raises `RecordTaken`, `OrderCancelled`."""
        rows = [self._row(solver, each) for solver, those in groups for each in those]
        most = {solver.name: solver.solver.most_values for solver, _ in groups}
        taken = keep_in_turn(rows, most, self.writer, self.context, self.seconds)
        if taken is not None:
            domain, other, seconds = taken.row.domain, taken.other, self.seconds
            raise RecordTaken(
                [domain], taken.row.name, taken.most, other.domain, other.source, seconds, self.retry_at()
            )

    def _present(self, solver: DnsHandle, records: Sequence[TxtRecord]) -> None:
        names = sorted({each.name for each in records})
        self.context.progress(f"{solver.table} makes {len(records)} TXT records: {', '.join(names[:3])}")
        with self._judging(records):
            solver.present(records, self.context.within(solver.timeout * SHARE))

    @contextmanager
    def _judging(self, records: Sequence[TxtRecord]) -> Iterator[None]:
        """Have what a solver raises say when it is tried again, and of which names it is."""
        try:
            yield
        except OrderCancelled:
            raise
        except SourceError as error:
            error.retry_at = self._next_try(error)
            if not error.failed:
                vars(error)["failed"] = DnsProofError([each.domain for each in records]).failed
            raise

    def _next_try(self, error: SourceError) -> datetime | None:
        """Return when an order is tried again whose solver has failed; None: not before its settings change."""
        if error.retry_at is not None or isinstance(error, SolverMisconfigured):
            return error.retry_at
        usual = self.retry_at()
        return max(usual, self.context.now() + REFUSED) if isinstance(error, SolverRefused) else usual

    def _see(self, solver: DnsHandle, records: Sequence[TxtRecord]) -> None:
        """Wait until every server has the records. Raises `RecordsUnseen`, `ZoneUnknown`, `OrderCancelled`."""
        names: dict[str, set[str]] = {}
        for each in records:
            names.setdefault(each.name, set()).add(each.value)
        try:
            sights = wait_until_seen(
                names,
                lambda name, budget: self._servers(solver, name, budget),
                self.lookups,
                seconds=self.seconds,
                wait=self.context.wait,
                cancelled=self.context.stopping,
                tell=self.context.progress,
            )
        except Unanswered as error:
            raise self._unknown(records[0].name, records[0].domain, error) from error
        if self.context.cancelled:
            raise OrderCancelled(self.order[1])
        if unseen := failed_sights(sights):
            failed = {sight.name for sight in unseen}
            raise self._unseen(solver, unseen[0], sorted({each.domain for each in records if each.name in failed}))

    def _servers(self, solver: DnsHandle, name: str, budget: Budget) -> Sequence[NameServer]:
        if solver.servers:
            return [NameServer("", *each) for each in solver.servers]
        return self.lookups.authoritative_servers(name, budget)

    def _unseen(self, solver: DnsHandle, sight: Sight, domains: Sequence[str]) -> RecordsUnseen:
        server, why = next(iter(sight.missing.items()))
        return RecordsUnseen(
            domains,
            solver.table,
            sight.name,
            self.seconds,
            len(sight.seen),
            len(sight.seen) + len(sight.missing),
            str(server),
            why,
            _cure(solver, sight),
            self.retry_at(),
            "\n".join(f"{each}: {why}" for each, why in sight.missing.items()),
        )

    def _placed(self, record: TxtRecord) -> TxtRecord:
        """Return a record with its zone. Raises `ZoneUnknown`."""
        if record.zone:
            return record
        try:
            zone = self.lookups.zone_of(record.name, self._budget()).name
        except Unanswered as error:
            raise self._unknown(record.name, record.domain, error) from error
        return replace(record, zone=zone)

    def _unknown(self, name: str, domain: str, error: Unanswered) -> ZoneUnknown:
        return ZoneUnknown([domain], name, str(error), self.retry_at())

    def _row(self, solver: DnsHandle, record: TxtRecord) -> DnsRecord:
        request, source = self.order
        return DnsRecord(
            solver=solver.name,
            zone=record.zone,
            name=record.name,
            value=record.value,
            domain=record.domain,
            request=request,
            source=source,
            at=self.context.now(),
        )

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
        if domain not in self._canonical_names:
            self._canonical_names[domain] = self.lookups.canonical_name(PREFIX + domain, self._budget())
        return self._canonical_names[domain]

    def _budget(self) -> Budget:
        return Budget(time.monotonic() + LOOKUP_SECONDS, self.context.stopping)


def by_zone(rows: Iterable[DnsRecord]) -> list[tuple[str, list[DnsRecord]]]:
    """Return the rows of each zone, with the name of the table that made them."""
    found: dict[tuple[str, str], list[DnsRecord]] = {}
    for each in rows:
        found.setdefault((each.solver, each.zone), []).append(each)
    return [(solver, those) for (solver, _), those in found.items()]


def take_out(solver: DnsHandle, rows: Sequence[DnsRecord], context: SolverContext, writer: Writer) -> None:
    """Have records of one zone removed, then forget them; where that fails, note why and when it is tried again."""
    try:
        solver.clean_up([_txt(each) for each in rows], context.within(solver.timeout * SHARE))
    except OrderCancelled:
        return
    except SourceError as error:
        failed = [_failed(each, solver, error, context.now()) for each in rows]
        writer.write(lambda store: store.dns_records.put(failed))
        return
    writer.write(lambda store: store.dns_records.delete(rows))


def _txt(row: DnsRecord) -> TxtRecord:
    return TxtRecord(name=row.name, value=row.value, zone=row.zone, domain=row.domain)


def _failed(row: DnsRecord, solver: DnsHandle, error: SourceError, now: datetime) -> DnsRecord:
    """Return a record with why it was not removed; of a wrong table, the next try waits for another one."""
    retry_at = error.retry_at if isinstance(error, SolverMisconfigured) else now + back_off(row.attempts + 1)
    told = replace(error.problem, retry_at=retry_at)
    attempts, digest = row.attempts + 1, solver.digest
    return replace(row, attempts=attempts, tried_at=now, retry_at=retry_at, problem=told, settings_digest=digest)


def _cure(solver: DnsHandle, sight: Sight) -> str:
    if not sight.seen:
        servers = "check_servers" if solver.servers else "its servers"
        return f"Look whether {solver.table} changes the zone that holds this name, as {servers} have it"
    if solver.servers:
        return (
            f"Look whether check_servers in {solver.table} are servers of its zone, and whether they follow its changes"
        )
    return "Look whether that server follows its primary; where it needs longer, set seconds in [dns01]"
