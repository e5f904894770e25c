"""Build of the status: the health of an appliance as rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from agent.health.assessment import ChainHealth, ModuleHealth, health
from agent.health.snapshot import Snapshot
from agent.health.states import URGENCY
from agent.health.uses import ServiceState
from agent.model.deployment import EndpointRecord
from agent.model.known_cas import title_of
from agent.model.observed import ObservedState
from agent.model.records import UPLOADED
from agent.report.rows import ChainRow, EndpointRow, ModuleRow, NeedRow, Report, RootRow, StateRow, UploadRow, UseRow

Endpoints = Mapping[tuple[str, str], Sequence[EndpointRecord]]
"""By module and slot."""


def report(snapshot: Snapshot, now: datetime) -> Report:
    """Return the status at `now`. Pure."""
    found, root = health(snapshot, now), snapshot.root
    endpoints = _by_slot(snapshot.endpoints)
    chains = sorted((_chain(each, endpoints) for each in found.chains), key=_urgency)
    return Report(
        now=now,
        next_at=snapshot.next_at,
        owner=snapshot.owner,
        root=RootRow(root.subject, root.sha256, root.not_after) if root else None,
        chains=tuple(chains),
        needs=tuple(
            NeedRow(each.need.module, each.need.slot, each.need.names, each.chain, each.problem) for each in found.needs
        ),
        uploaded=tuple(_upload(row) for row in chains if row.source == UPLOADED),
        modules=tuple(_module(each) for each in found.modules),
        states=tuple(state_row(each) for each in snapshot.observed if each.state),
        findings=found.findings,
        changes_at=found.changes_at,
    )


def state_row(state: ObservedState) -> StateRow:
    """Return the row of a state."""
    severity = str(state.severity) if state.severity else None
    retry_at = state.retry_at if state.mends else None
    return StateRow(
        *(str(state.kind), state.owner, state.subject, state.state, state.why, state.since),
        *(severity, state.attempts, retry_at, state.said),
    )


def _by_slot(endpoints: Sequence[EndpointRecord]) -> Endpoints:
    found: dict[tuple[str, str], list[EndpointRecord]] = defaultdict(list)
    for each in endpoints:
        found[each.module, each.slot].append(each)
    return found


def _urgency(row: ChainRow) -> tuple[object, ...]:
    return URGENCY.index(row.status), row.not_after, row.names, row.id


def _chain(found: ChainHealth, endpoints: Endpoints) -> ChainRow:
    record = found.record
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
        status=found.status,
        problem=found.problem,
        next_action_at=found.next_action_at,
        used_by=tuple(_use(each, endpoints) for each in found.uses),
        progress=found.progress,
        authority=title_of(record.origin),
    )


def _use(state: ServiceState, endpoints: Endpoints) -> UseRow:
    seen = endpoints.get((state.module, state.slot), ())
    rows = tuple(
        EndpointRow(each.address, each.server_name, each.served_sha256, each.ok, each.checked_at) for each in seen
    )
    return UseRow(state.module, state.slot, state.reason, state.deployment, rows)


def _module(found: ModuleHealth) -> ModuleRow:
    record = found.record
    return ModuleRow(record.name, record.title, record.enabled, found.state, found.problem)


def _upload(row: ChainRow) -> UploadRow:
    used_for = tuple(f"{use.module}/{use.slot}" for use in row.used_by)
    return UploadRow(row.id, row.names, row.issuer, row.not_after, row.status, used_for)
