"""Details of one chain, and of the root: what a status leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.errors.problem import Problem
from agent.health.problems import problem_of
from agent.health.roots import depending
from agent.health.snapshot import Snapshot
from agent.model.deployment import EndpointRecord
from agent.model.events import Event
from agent.model.records import ChainRecord, OrderRecord
from agent.model.root import RootPhase, RootRecord
from agent.model.tlsa import TlsaRow
from agent.pki.key import KeyType
from agent.report.dane import tlsa_rows
from agent.report.links import Link, links
from agent.report.pins import PinDetails, pins_of
from agent.report.records import RecordRow, record_rows
from agent.report.rows import ChainRow, UseRow
from agent.store import Store


class ServedDetails(StrEnum):
    """What an endpoint presented when it was looked at last, compared with the chain."""

    SAME = "same"
    DIFFERENT = "different"
    NOTHING = "nothing"
    """No handshake."""
    UNSEEN = "unseen"
    """It was never looked at."""


@dataclass(frozen=True, slots=True)
class EndpointDetails:
    """What was seen last at one endpoint."""

    address: str
    server_name: str
    served: ServedDetails
    served_sha256: str | None
    checked_at: datetime | None
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class UseDetails:
    """Where a chain is used, and what is served there."""

    module: str
    title: str
    slot: str
    reason: str
    deployment: str | None
    deployed_at: datetime | None
    """When the module's generation was put into service, or when that was tried last."""
    served: ServedDetails
    """The worst of its endpoints."""
    endpoints: tuple[EndpointDetails, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of a source's dealing with a request, where it has failed."""

    source: str
    attempts: int
    """Failures in a row."""
    retry_at: datetime | None
    permanent: bool
    """Only a change of settings, or a person who asks, helps."""
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class RenewalDetails:
    """Renewal of a chain: when, and what prevents it."""

    at: datetime | None
    """When its source renews it; None: never, or nothing is bound to it."""
    next_action_at: datetime | None
    """Its renewal, or the next try of what failed."""
    window_start: datetime | None
    window_end: datetime | None
    """As its CA suggests (RFC 9773)."""
    explanation: str
    """URL of a page on which the CA says why."""
    problem: Problem | None
    """Why its CA could not be asked last."""
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class ChainDetails:
    """All about one chain."""

    chain: ChainRow
    certificates: tuple[Link, ...]
    """Leaf, intermediates, and the root where it is known."""
    used_by: tuple[UseDetails, ...]
    renewal: RenewalDetails
    events: tuple[Event, ...]
    """The newest about the chain, or about the request that it was made for, oldest first."""
    pins: tuple[PinDetails, ...]
    """Where an uploaded chain is pinned, and where it can be."""
    tlsa: tuple[TlsaRow, ...] = ()
    """TLSA records of its key, and of the key that follows, for where clients judge it by them (DANE)."""
    records: tuple[RecordRow, ...] = ()
    """TXT records that prove its names to a CA for good, or would (dns-persist-01)."""


@dataclass(frozen=True, slots=True)
class RootDetails:
    """All about the root that signs, or that has signed."""

    subject: str
    sha256: str
    not_before: datetime
    not_after: datetime
    certificates: tuple[Link, ...]
    """The root, then its parents where it is a subordinate authority."""
    created_at: datetime
    retired_at: datetime | None
    signs: int
    """Chains in use that it has signed."""
    phase: RootPhase = RootPhase.SIGNING
    """How far it is in its life."""
    signs_at: datetime | None = None
    """When it begins to sign, or has begun."""
    replaced_at: datetime | None = None
    """When another one began to sign."""
    retires_at: datetime | None = None
    """When a person wants it believed no longer."""
    key_type: KeyType = KeyType.ECDSA_P256
    beside: bool = False
    """It signs beside the main one, for keys of its own kind alone."""
    depending: tuple[str, ...] = ()
    """Of one that was replaced: what it has signed and that is in use or may be, ``module/slot`` or ``module/label``."""


def chain_details(snapshot: Snapshot, store: Store, row: ChainRow, now: datetime) -> ChainDetails:
    """Return all about the chain of a row. Raises `CertificateUnreadable`."""
    record = next(each for each in snapshot.chains if each.id == row.id)
    return ChainDetails(
        chain=row,
        certificates=tuple(links(store.chains.certificates(row.id) or "")),
        used_by=tuple(_use(snapshot, row, use) for use in row.used_by),
        renewal=_renewal(snapshot, store, row, record),
        events=tuple(store.journal.about(row.id, record.request)),
        pins=tuple(pins_of(snapshot, record, now)),
        tlsa=tuple(each for each in tlsa_rows(store, snapshot.needs) if each.chain == row.id),
        records=tuple(record_rows(store.persistent.all().values(), row.names)),
    )


def root_details(snapshot: Snapshot, record: RootRecord, now: datetime) -> RootDetails:
    """Return all about a root. Raises `CertificateUnreadable`."""
    in_use = {binding.chain for binding in snapshot.bindings}
    return RootDetails(
        subject=record.subject,
        sha256=record.sha256,
        not_before=record.not_before,
        not_after=record.not_after,
        certificates=tuple(links(record.certificates)),
        created_at=record.created_at,
        retired_at=record.retired_at,
        signs=sum(each.root == record.sha256 and each.id in in_use for each in snapshot.chains),
        phase=record.phase,
        signs_at=record.signs_at,
        replaced_at=record.replaced_at,
        retires_at=record.retires_at,
        key_type=record.key_type,
        beside=record.beside,
        depending=_depending(snapshot, record, now),
    )


def _depending(snapshot: Snapshot, record: RootRecord, now: datetime) -> tuple[str, ...]:
    if record.phase is not RootPhase.REPLACED:
        return ()
    return tuple(who for who, _ in depending(snapshot, record.sha256, now))


def _use(snapshot: Snapshot, row: ChainRow, use: UseRow) -> UseDetails:
    module = next((each for each in snapshot.modules if each.name == use.module), None)
    deployment = snapshot.deployments.get(use.module)
    found = [each for each in snapshot.endpoints if (each.module, each.slot) == (use.module, use.slot)]
    endpoints = tuple(_endpoint(row.sha256, each) for each in found)
    return UseDetails(
        module=use.module,
        title=module.title if module else use.module,
        slot=use.slot,
        reason=use.reason,
        deployment=use.deployment,
        deployed_at=deployment.at if deployment else None,
        served=_worst([each.served for each in endpoints]),
        endpoints=endpoints,
    )


def _endpoint(sha256: str, seen: EndpointRecord) -> EndpointDetails:
    return EndpointDetails(
        seen.address, seen.server_name, _served(sha256, seen), seen.served_sha256, seen.checked_at, seen.problem
    )


def _served(sha256: str, seen: EndpointRecord) -> ServedDetails:
    if seen.checked_at is None:
        return ServedDetails.UNSEEN
    if seen.served_sha256 is None:
        return ServedDetails.NOTHING
    return ServedDetails.SAME if seen.served_sha256 == sha256 else ServedDetails.DIFFERENT


def _worst(found: list[ServedDetails]) -> ServedDetails:
    order = (ServedDetails.DIFFERENT, ServedDetails.NOTHING, ServedDetails.UNSEEN, ServedDetails.SAME)
    return min(found, key=order.index, default=ServedDetails.UNSEEN)


def _renewal(snapshot: Snapshot, store: Store, row: ChainRow, record: ChainRecord) -> RenewalDetails:
    watch = store.watches.of(row.id)
    window = watch.window if watch and watch.window else (None, None)
    return RenewalDetails(
        at=snapshot.renewals.get(row.id),
        next_action_at=row.next_action_at,
        window_start=window[0],
        window_end=window[1],
        explanation=watch.explanation if watch else "",
        problem=Problem.from_json(dict(watch.problem)) if watch and watch.problem else None,
        attempts=tuple(_attempts(snapshot, record)),
    )


def _attempts(snapshot: Snapshot, record: ChainRecord) -> Iterator[Attempt]:
    """Yield what failed for the requests of those that are bound to a chain, and for the one that it was made for."""
    keys = {binding.key for binding in snapshot.bindings if binding.chain == record.id}
    requests = {need.request.id for need in snapshot.needs if need.key in keys} | {record.request}
    for order in snapshot.orders:
        if order.request in requests and order.problem is not None:
            yield _attempt(order)


def _attempt(order: OrderRecord) -> Attempt:
    return Attempt(order.source, order.attempts, order.retry_at, order.permanent, problem_of(order))
