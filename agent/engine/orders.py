"""Orders: a source is asked for a chain, and what came of it is stored."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agent.contract.source import OrderRecord, is_aware
from agent.engine.bus import Bus
from agent.engine.delivery_checks import check_delivery, checked_text
from agent.engine.kept_keys import note_delivery, why_given_up
from agent.engine.order_context import StoredOrderContext
from agent.engine.source_context import SourceServices
from agent.errors import AgentError, SourceError
from agent.errors.source import Elsewhere, KeyGivenUp, OrderCancelled, OrderHeld
from agent.model.events import Event, EventKind
from agent.model.need import Request
from agent.model.pause import LONGEST_ORDER, back_off
from agent.model.root import signing_root
from agent.pki.chain import Chain
from agent.pki.judgement import Objection
from agent.planning import Obtain
from agent.planning.renewal import safety_floor
from agent.planning.retries import before_deadlines
from agent.registry.sources import SourceHandle, crashed
from agent.store import Store

if TYPE_CHECKING:
    from agent.pki.authority import Root
    from agent.pki.key import KeyKind

BATCH_SECONDS = 2.0
"""What was made at once is stored at least so often: that is what a process loses at most when it dies."""
REMARK = "source.remark"
"""Code of what a source itself says of a chain."""


@dataclass(frozen=True)
class Delivery:
    """Outcome of one order."""

    source: SourceHandle
    obtain: Obtain
    at: datetime
    chain: Chain | None = None
    error: AgentError | None = None
    begun: bool = True
    warnings: tuple[Objection, ...] = ()
    """What some clients, or the source itself, say of the chain."""
    origin: str = ""
    """`SourceHandle.origin`."""

    def __str__(self) -> str:
        return f"{self.source.name} delivered a chain for {', '.join(sorted(self.obtain.request.names)[:3])}"


def ask(source: SourceHandle, obtain: Obtain, context: StoredOrderContext) -> Delivery:
    """Ask a source for a chain, whatever it does. Nothing is begun when the agent is about to stop."""
    if context.cancelled:
        return Delivery(source, obtain, context.now(), error=_stopped(obtain, context), begun=False)
    try:
        chain = source.obtain(obtain.request, context)
        if not isinstance(chain, Chain):
            raise TypeError(f"obtain() returned {type(chain).__name__} instead of a Chain")
        judgement = check_delivery(chain, source, obtain.request, context)
        remarks = [Objection(REMARK, checked_text(source.authority), sentence, "") for sentence in context.remarks]
        warnings, origin = (*judgement.warnings, *remarks), checked_text(source.origin)
        return Delivery(source, obtain, context.now(), chain, warnings=warnings, origin=origin)
    except AgentError as error:
        if context.held:  # what it met may come of the clock: nothing is lost, and it doesn't count
            return Delivery(source, obtain, context.now(), error=OrderHeld(obtain.source))
        if isinstance(error, SourceError) and error.retry_at is not None:
            error.retry_at = before_deadlines(error.retry_at, context.now(), obtain.deadlines, _earliest(error))
        return Delivery(source, obtain, context.now(), error=error)
    except Exception as error:
        now = context.now()
        if context.held:
            return Delivery(source, obtain, now, error=OrderHeld(obtain.source))
        return Delivery(source, obtain, now, error=crashed(obtain.source, error, now + back_off(1)))


def _earliest(error: SourceError) -> datetime | None:
    """Return what a source says that its CA allows; a plugin's may be nonsense."""
    at: object = error.earliest
    return at if isinstance(at, datetime) and is_aware(at) else None


def _stopped(obtain: Obtain, context: StoredOrderContext) -> OrderCancelled:
    return OrderHeld(obtain.source) if context.held else OrderCancelled(obtain.source)


def obtain_at_once(
    store: Store,
    bus: Bus,
    orders: Iterable[tuple[SourceHandle, Obtain]],
    services: SourceServices,
    batch_seconds: float = BATCH_SECONDS,
) -> Iterator[Delivery]:
    """Ask sources that need no network, and yield what is stored of it. Call under the lock.

    Keys are made while nobody is kept from writing, and what a few seconds have brought is stored in one transaction: twelve
    keys of RSA-4096 take a minute on a small machine.
    """
    stop = threading.Event()
    roots: dict[KeyKind, Root] = {}  # each is opened once
    waiting: list[Delivery] = []
    settled_at = time.monotonic()
    for source, obtain in orders:
        context = StoredOrderContext(services, source, obtain, stop, roots)
        waiting.append(ask(source, obtain, context))
        if time.monotonic() >= settled_at + batch_seconds:
            yield from _settled(store, bus, waiting, services)
            waiting, settled_at = [], time.monotonic()
    yield from _settled(store, bus, waiting, services)


def _settled(store: Store, bus: Bus, deliveries: list[Delivery], services: SourceServices) -> list[Delivery]:
    settle_deliveries(store, bus, deliveries, now=services.clock(), job=services.job)
    return deliveries


def settle_deliveries(store: Store, bus: Bus, deliveries: Sequence[Delivery], *, now: datetime, job: str) -> None:
    """Store chains, and failures with their next tries, in one transaction. Call under the lock."""
    if not deliveries:
        return
    digests = [each.source.settings_digest for each in deliveries]  # a plugin's source may compute it
    with store.write():
        deliveries = [_usable(store, each, now) for each in deliveries]
        for delivery, digest in zip(deliveries, digests, strict=True):
            _settle(store, delivery, digest, now)
        known = bus.record(store, [_event(each, now, job) for each in deliveries if each.begun])
    bus.show(known)


def _usable(store: Store, delivery: Delivery, now: datetime) -> Delivery:
    """Return a delivery as it is, or as failed where its key was given up while it was under way."""
    reason = why_given_up(store, delivery.chain, delivery.obtain.request.id) if delivery.chain else ""
    if not reason:
        return delivery
    return replace(delivery, chain=None, error=KeyGivenUp(delivery.source.name, reason, now))


def _settle(store: Store, delivery: Delivery, settings_digest: str, now: datetime) -> None:
    if delivery.chain is not None:
        _store_chain(store, delivery, delivery.chain, now)
    elif not isinstance(delivery.error, OrderCancelled):
        store.orders.failed(_failure(store, delivery, settings_digest, now))
    if not delivery.source.immediate:
        _note_names(store, delivery, now)
    store.orders.release(*delivery.obtain.key)


def _store_chain(store: Store, delivery: Delivery, chain: Chain, now: datetime) -> None:
    from agent.pki.judge import EDITION

    obtain = delivery.obtain
    root = signing_root(store.roots.all(), chain.key_type.kind)
    own = root.sha256 if root and root.sha256 in chain.issuers else None
    note_delivery(store, chain, obtain.source, obtain.request.id, now)
    store.chains.add(
        chain,
        source=obtain.source,
        now=now,
        request=obtain.request.id,
        root=own,
        origin=delivery.origin,
        warnings=delivery.warnings,
        edition=EDITION,
    )
    store.orders.succeeded(obtain.request.id, obtain.source)
    if len(obtain.group) > 1:  # an order that another CA still has is not gone on with at the next renewal
        store.orders.forget_saved(obtain.request.id)
    if not delivery.source.immediate:
        store.orders.clear_forced(obtain.request.id)
    store.orders.served(obtain.request.id, obtain.above)


def _failure(store: Store, delivery: Delivery, settings_digest: str, now: datetime) -> OrderRecord:
    error = delivery.error
    last = store.orders.record(*delivery.obtain.key)
    counts = not isinstance(error, SourceError) or error.counts
    attempts = (last.attempts if last else 0) + counts
    elsewhere = error.elsewhere if isinstance(error, SourceError) else Elsewhere.NEVER
    own = before_deadlines(now + back_off(attempts), now, delivery.obtain.deadlines, None)
    retry_at = error.retry_at if isinstance(error, SourceError) else own
    retry_at = min(retry_at, now + LONGEST_ORDER) if retry_at else None
    return OrderRecord(
        request=delivery.obtain.request.id,
        source=delivery.obtain.source,
        attempts=attempts,
        retry_at=retry_at,
        problem=replace(error.problem, retry_at=retry_at).to_json() if error else None,
        permanent=isinstance(error, SourceError) and error.retry_at is None,
        settings_digest=settings_digest,
        tried_at=now,
        elsewhere=elsewhere,
        lasting=(last.lasting if last else 0) + 1 if elsewhere is Elsewhere.LASTING else 0,
    )


def _note_names(store: Store, delivery: Delivery, now: datetime) -> None:
    """Remember which names the CA could not validate, so that a module can ask for the others alone."""
    request, again = delivery.obtain.request, list[Request]()
    for source in _group(delivery):  # what one CA has seen to lead here does so for those that stand in for it
        if delivery.chain is not None:
            again += store.failing.delivered(source, request, now)
        elif isinstance(delivery.error, SourceError):
            again += store.failing.settle(source, request, request.names & delivery.error.passed, now)
    if isinstance(delivery.error, SourceError) and not _can_wait(store, delivery, now):
        store.failing.add(delivery.obtain.source, request.names & delivery.error.failed, request, now)
    for each in again:
        store.orders.forget_failures(each.id)


def _group(delivery: Delivery) -> tuple[str, ...]:
    return delivery.obtain.group or (delivery.obtain.source,)


def _can_wait(store: Store, delivery: Delivery, now: datetime) -> bool:
    """Whether all names together stay one request.

    There is a chain for them that is good for a while, or the next CA is asked for them at once.
    """
    group = _group(delivery)
    is_next = isinstance(delivery.error, SourceError) and delivery.error.elsewhere is Elsewhere.AT_ONCE
    return (is_next and delivery.obtain.source != group[-1]) or any(
        record.source in group
        and record.request == delivery.obtain.request.id
        and record.good(now)
        and now < safety_floor(record.not_before, record.not_after)
        for record in store.chains.records()
    )


def _event(delivery: Delivery, now: datetime, job: str) -> Event:
    obtain = delivery.obtain
    names = sorted(obtain.request.names)
    detail: dict[str, Any] = {"source": obtain.source, "names": names, "request": obtain.request.id}
    if delivery.chain is not None:
        text = f"{obtain.source} delivered a chain until {delivery.chain.usable_until:%Y-%m-%d}"
        return Event(
            at=now,
            kind=EventKind.CHAIN_STORED,
            text=text,
            job=job,
            module="",
            detail={**detail, "chain": delivery.chain.id},
        )
    cause = delivery.error.problem.cause if delivery.error else ""
    return Event(at=now, kind=EventKind.ORDER_FAILED, text=cause, job=job, module="", detail=detail)
