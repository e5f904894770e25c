"""Build of the status from the store's rows."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from agent.errors.problem import Problem
from agent.model.binding import Binding
from agent.model.records import UPLOADED, ChainRecord
from agent.report import problems
from agent.report.certificates import Certificates
from agent.report.rows import ChainRow, EndpointRow, NeedRow, ObserverRow, Report, RootRow, UploadRow, UseRow
from agent.report.snapshot import Snapshot
from agent.report.states import URGENCY, Status, worst
from agent.report.uses import ServiceState, Uses


def report(snapshot: Snapshot, now: datetime) -> Report:
    """Return the status at `now`. Pure."""
    building = _Building(snapshot, now)
    chains = building.chains()
    root = snapshot.root
    return Report(
        now=now,
        next_at=snapshot.next_at,
        owner=snapshot.owner,
        root=RootRow(root.subject, root.sha256, root.not_after) if root else None,
        chains=tuple(chains),
        needs=tuple(building.needs()),
        uploaded=tuple(_upload(row) for row in chains if row.source == UPLOADED),
        modules=tuple(building.uses.module(record) for record in snapshot.modules),
        observers=tuple(
            ObserverRow(name, problems.observer_failed(name, cause)) for name, cause in snapshot.observers.items()
        ),
    )


class _Building:
    def __init__(self, snapshot: Snapshot, now: datetime) -> None:
        self._snapshot = snapshot
        self.uses = Uses(snapshot)
        self._certificates = Certificates(snapshot, now)
        self._bound: dict[str, list[Binding]] = defaultdict(list)
        for binding in snapshot.bindings:
            if binding.chain is not None:
                self._bound[binding.chain].append(binding)

    def chains(self) -> list[ChainRow]:
        rows = [self._chain(record) for record in self._snapshot.chains]
        return sorted(rows, key=lambda row: (URGENCY.index(row.status), row.not_after, row.names, row.id))

    def needs(self) -> list[NeedRow]:
        bound = {binding.key: binding for binding in self._snapshot.bindings}
        rows = []
        for need in self._snapshot.needs:
            binding = bound.get(need.key)
            chain = binding.chain if binding else None
            problem = None if chain else self._why_missing(need.module, need.slot, binding.reason if binding else "")
            rows.append(NeedRow(need.module, need.slot, need.names, chain, problem))
        return rows

    def _why_missing(self, module: str, slot: str, reason: str) -> Problem:
        failure = self._certificates.failure_of((module, slot))
        return failure or problems.no_chain(module, slot, reason)

    def _chain(self, record: ChainRecord) -> ChainRow:
        bindings = self._bound[record.id]
        states = [self.uses.bound(binding) for binding in bindings] + self.uses.standing_in(record.id)
        states += self.uses.refused(record.id)
        status, problem = self._label(record, bindings, states)
        return ChainRow(
            id=record.id,
            names=record.names,
            source=record.source,
            issuer=record.issuer,
            serial=record.serial,
            not_before=record.not_before,
            not_after=record.not_after,
            key_type=str(record.key_type),
            sha256=record.id,
            status=status,
            problem=problem,
            next_action_at=self._certificates.next_action(record, bindings, self.uses.retries(record.id)),
            used_by=tuple(self._use(each) for each in states),
            progress=self._certificates.progress(bindings) if status is Status.ISSUING else None,
        )

    def _label(
        self, record: ChainRecord, bindings: list[Binding], states: list[ServiceState]
    ) -> tuple[Status, Problem | None]:
        if not states:
            return Status.UNUSED, None
        instead_of = [each.instead_of for each in states if each.instead_of]
        found = self._certificates.labels(record, bindings, instead_of)
        found += [(each.status, each.problem) for each in states]
        status = worst([each for each, _ in found])
        return status, next((problem for each, problem in found if each is status and problem), None)

    def _use(self, state: ServiceState) -> UseRow:
        seen = self.uses.endpoints(state.module, state.slot)
        rows = tuple(EndpointRow(each.address, each.server_name, each.served_sha256, each.ok) for each in seen)
        return UseRow(state.module, state.slot, state.reason, state.deployment, rows)


def _upload(row: ChainRow) -> UploadRow:
    used_for = tuple(f"{use.module}/{use.slot}" for use in row.used_by)
    return UploadRow(row.id, row.names, row.issuer, row.not_after, row.status, used_for)
