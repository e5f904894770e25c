"""Orders and inquiries, which run without the lock. What came of them waits for the next pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from agent.config.settings import Settings
from agent.contract.context import Http01
from agent.crl import RevocationLists
from agent.engine import dns_leftovers, policy_questions, record_looks, tlsa_questions, window_leftovers
from agent.engine.bus import Bus
from agent.engine.inquiries import InquiryResult, ask_about, begin
from agent.engine.order_context import StoredOrderContext
from agent.engine.orders import Delivery, ask
from agent.engine.policy_questions import PolicyAnswer
from agent.engine.shared_lookups import SharedLookups
from agent.engine.shared_objects import SharedObjects, key_of, keys_of
from agent.engine.source_context import Clock, DnsParts, SourceServices, StoredSourceContext
from agent.engine.time_asked import TimeAsked, ask_the_time
from agent.engine.tlsa_questions import TlsaAnswer
from agent.engine.worker_pool import WorkerPool
from agent.engine.write_queue import HEARTBEAT, DirectWriter, WriteQueue
from agent.errors.deploy import ChainGone
from agent.errors.wording import reason_of
from agent.model.events import Event, EventKind
from agent.model.persistent import PersistentLook
from agent.pki.chain import Chain
from agent.planning import Inquire, LookAtRecords, Obtain
from agent.registry.guard import SAY_WAITING, Guard
from agent.registry.sources import SourceHandle
from agent.registry.window_askers import WindowAsker
from agent.store import Store
from agent.system.clock import Clock as MachineClock
from agent.system.layout import Layout

TIME, DNS, POLICIES, RECORDS, WINDOWS = "time", "dns", "policies", "records", "windows"
INQUIRY_GRACE = 1.0
"""Seconds for inquiries that are asked to stop: nothing is lost with them."""


@dataclass(frozen=True, slots=True)
class Dns:
    """Resolvers, or servers with policies, which are asked as sources are."""

    name: str = "DNS"
    concurrency: int = 1


class Workers:
    """Threads that ask sources, and what these share: one writer, and one object for each source."""

    def __init__(self, layout: Layout, bus: Bus, clock: Clock, *, heartbeat_seconds: float = HEARTBEAT) -> None:
        """`heartbeat_seconds`: between two signs of life for the leases of orders."""
        self._layout = layout
        self._bus = bus
        self._clock = clock
        opened = partial(Store.open_existing, layout, several_threads=True)
        self._write_queue = WriteQueue(opened, self._renew_leases, heartbeat_seconds=heartbeat_seconds)
        self._shared = SharedObjects(self._note_failed_close)
        self._lists = RevocationLists()
        self._lookups = SharedLookups()
        self._orders = WorkerPool[Delivery, SourceHandle](self._wake)
        self._inquiries = WorkerPool[InquiryResult, SourceHandle](self._wake)
        self._times = WorkerPool[TimeAsked, SourceHandle](self._wake)
        self._tlsa = WorkerPool[list[TlsaAnswer], Dns](self._wake)
        self._policies = WorkerPool[list[PolicyAnswer], Dns](self._wake)
        self._removals = WorkerPool[int, Dns](self._wake)
        self._removed: frozenset[tuple[str, str]] = frozenset()
        """Orders whose records are being removed: none of them is begun meanwhile, as it might make the same again."""
        self._records = WorkerPool[list[PersistentLook], SourceHandle](self._wake)
        self.wake = threading.Event()
        """Set when something has ended, or by a caller that wants the loop to look again."""

    def services(
        self,
        http01: Http01,
        job: str,
        store: Store | None = None,
        *,
        settings: Settings | None = None,
        askers: Sequence[WindowAsker] = (),
    ) -> SourceServices:
        """Return what sources work with. `store`: of a caller that holds the lock; None: they write by the queue.

        `settings`: with the DNS solvers; None: there are none. `askers`: plugins that open a firewall.
        """
        writer = DirectWriter(store) if store else self._write_queue
        dns = DnsParts(settings.dns_solvers, settings.core.dns01, self._lookups.of) if settings else DnsParts()
        return SourceServices(writer, self._bus, self._clock, self._layout, http01, self._shared, job, dns, askers)

    # Beginning

    def order(self, store: Store, orders: Iterable[tuple[SourceHandle, Obtain]], services: SourceServices) -> None:
        """Begin orders, but for those that this or another living process works at. Call under the lock."""
        busy = self._removed if RECORDS in self._removals else frozenset()
        fresh = [
            (source, obtain) for source, obtain in orders if obtain.key not in self._orders and obtain.key not in busy
        ]
        if not fresh:
            return
        with store.write():
            fresh = [each for each in fresh if store.orders.lease(*each[1].key, self._clock())]
            known = self._bus.record(store, [self._started(obtain, services.job) for _, obtain in fresh])
        self._bus.show(known)
        for source, obtain in fresh:
            self._write_queue.begin()  # it shows that the holder of the leases lives
            context = StoredOrderContext(services, source, obtain, self._orders.stop, holds=True)
            self._orders.add(obtain.key, source, partial(ask, source, obtain, context))

    def inquire(
        self,
        store: Store,
        inquiries: Iterable[tuple[SourceHandle, Inquire]],
        services: SourceServices,
        *,
        private: bool,
    ) -> None:
        """Begin inquiries that are not running yet. Call under the lock. `private`: as for `check_revocation`."""
        fresh = [(source, action) for source, action in inquiries if action.chain not in self._inquiries]
        if not fresh:
            return
        with store.write():
            known = [begin(store, action, self._clock()) for _, action in fresh]
        for (source, action), before in zip(fresh, known, strict=True):
            about = {"names": list(action.names), "chain": action.chain}
            context = StoredSourceContext(services, source, self._inquiries.stop, about, holds=True)
            load = partial(_chain, services, action.chain)
            ask_it = partial(ask_about, action, load, before, source, context, self._lists, private=private)
            self._inquiries.add(action.chain, source, ask_it)

    def ask_dns(self, store: Store, owners: Sequence[str], servers: Sequence[tuple[str, int]]) -> None:
        """Ask DNS for TLSA records, unless that is under way. Call under the lock. `servers`: none are those of the system."""
        if DNS in self._tlsa:
            return
        with store.write():
            tlsa_questions.begin(store, owners, self._clock())
        self._tlsa.add(DNS, Dns(), partial(tlsa_questions.ask_dns, owners, servers, self._tlsa.stop.is_set))

    def ask_policies(self, store: Store, domains: Sequence[str]) -> None:
        """Look at MTA-STS policies, unless that is under way. Call under the lock."""
        if POLICIES in self._policies:
            return
        with store.write():
            policy_questions.begin(store, domains, self._clock())
        work = partial(policy_questions.ask_policies, domains, self._policies.stop.is_set)
        self._policies.add(POLICIES, Dns("policies"), work)

    def look_at_records(
        self, store: Store, looks: Iterable[tuple[SourceHandle, LookAtRecords]], services: SourceServices
    ) -> None:
        """Look whether zones have the records that prove names, source by source. Call under the lock."""
        for source, action in looks:
            key = ("records", source.name)
            if key in self._records:
                continue
            with store.write():
                known = record_looks.begin(store, action, source.origin, self._clock())
            context = StoredSourceContext(
                services, source, self._records.stop, {"names": list(action.names)}, holds=True
            )
            self._records.add(key, source, partial(record_looks.look, source, action, known, context))

    def remove_records(self, store: Store, names: Sequence[str], services: SourceServices) -> None:
        """Have records removed from DNS, unless that is under way. Call under the lock, after `order`."""
        if RECORDS in self._removals:
            return
        with store.write():
            rows = dns_leftovers.begin(store, names, services.dns.solvers, self._clock())
        self._removed = frozenset(each.order for each in rows)
        self._write_queue.begin()
        work = partial(dns_leftovers.remove, rows, services, self._removals.stop)
        self._removals.add(RECORDS, Dns("records"), work)

    def close_windows(self, store: Store, windows: Sequence[str]) -> None:
        """Have windows closed, unless that is under way. Call under the lock."""
        if WINDOWS in self._removals:
            return
        with store.write():
            rows = window_leftovers.begin(store, windows, self._clock())
        self._write_queue.begin()
        work = partial(window_leftovers.close, rows, self._write_queue, self._clock, self._removals.stop)
        self._removals.add(WINDOWS, Dns("windows"), work)

    def ask_the_time(self, rungs: Iterable[SourceHandle], services: SourceServices) -> None:
        """Ask the CAs what time it is, unless that is under way."""
        asked = [source for source in rungs if source.tells_time]
        if not asked or TIME in self._times or not isinstance(self._clock, MachineClock):
            return
        self._clock.note_asked()
        contexts = [(each, StoredSourceContext(services, each, self._times.stop, {})) for each in asked]
        self._times.add(TIME, asked[0], partial(ask_the_time, contexts, self._clock.wall))

    # How far they are

    @property
    def busy(self) -> bool:
        """Whether an order or an inquiry runs, or has ended and was not stored yet."""
        return bool(
            self._orders.sources
            or self._inquiries.sources
            or self._times.sources
            or self._tlsa.sources
            or self._policies.sources
            or self._removals.sources
            or self._records.sources
        )

    @property
    def orders(self) -> frozenset[Hashable]:
        """Keys of the orders that run, or have ended and were not stored yet."""
        return self._orders.keys

    @property
    def ordering(self) -> bool:
        """Whether an order runs."""
        return self._orders.running

    @property
    def all_delivered(self) -> bool:
        """Whether every order has ended, and every inquiry where there are no orders: nobody waits for those."""
        return not (self._orders.running if self._orders.sources else self._asking)

    @property
    def _beside(self) -> tuple[WorkerPool[Any, Any], ...]:
        """What goes on beside orders."""
        return self._inquiries, self._times, self._tlsa, self._policies, self._records, self._removals

    @property
    def _asking(self) -> bool:
        return any(each.running for each in self._beside)

    @property
    def delivered(self) -> bool:
        """Whether something has ended and was not stored yet."""
        return (
            self._orders.has_ended
            or self._inquiries.has_ended
            or self._times.has_ended
            or self._tlsa.has_ended
            or self._policies.has_ended
            or self._removals.has_ended
            or self._records.has_ended
        )

    @property
    def brought(self) -> bool:
        """Whether an order has ended and was not stored yet."""
        return self._orders.has_ended

    @contextmanager
    def ended(self) -> Iterator[tuple[list[Delivery], list[InquiryResult]]]:
        """Yield what has ended, to be stored; where that fails, it stays for the next pass."""
        with self._orders.ended() as deliveries, self._inquiries.ended() as findings:
            yield deliveries, findings

    @contextmanager
    def tlsa_answers(self) -> Iterator[list[TlsaAnswer]]:
        """Yield what DNS has said of TLSA records."""
        with self._tlsa.ended() as found:
            yield [each for answers in found for each in answers]

    @contextmanager
    def policies(self) -> Iterator[list[PolicyAnswer]]:
        """Yield what MTA-STS policies say."""
        with self._policies.ended() as found:
            yield [each for answers in found for each in answers]

    @contextmanager
    def record_looks(self) -> Iterator[list[PersistentLook]]:
        """Yield what zones have of the records that prove names."""
        with self._records.ended() as found:
            yield [each for looks in found for each in looks]

    @contextmanager
    def removals(self) -> Iterator[None]:
        """Take note of the removals of records that have ended; what came of them is stored already."""
        with self._removals.ended():
            yield

    @contextmanager
    def times(self) -> Iterator[list[TimeAsked]]:
        """Yield what the CAs have said of the time."""
        with self._times.ended() as found:
            yield found

    # Ending

    def tidy(self, rungs: Iterable[SourceHandle]) -> None:
        """Close what sources shared with settings that are no longer in force and that nothing uses any more."""
        working = [*self._orders.sources, *self._inquiries.sources, *self._records.sources]
        self._shared.keep(keys_of(rungs) | {key_of(source) for source in working})

    def stop(self, grace: float) -> None:
        """Ask everything to stop and give it `grace` seconds in all; orders that don't are left to their lease."""
        orders, inquiries = (
            self._orders.halt(),
            [thread for pool in self._beside for thread in pool.halt()],
        )
        _join(orders, grace)
        _join(inquiries, min(grace, INQUIRY_GRACE))

    def close(self) -> None:
        """Close what sources shared, and end the writer. What is begun later starts it again."""
        self._shared.close()
        self._write_queue.close()

    def tell_of_waiting(self, guard: Guard, job: str) -> None:
        """Have it put on the bus which plugin a pass waits for."""
        guard.say_waiting = partial(self._note_waiting, job)

    @contextmanager
    def telling_of_waiting(self, job: str) -> Iterator[None]:
        """Have the same done of what is waited for while settings and plugins are loaded."""
        token = SAY_WAITING.set(partial(self._note_waiting, job))
        try:
            yield
        finally:
            SAY_WAITING.reset(token)

    # In other threads

    def _wake(self) -> None:
        self.wake.set()

    def _renew_leases(self, store: Store) -> None:
        store.orders.renew(self._clock())

    def _note_failed_close(self, source: str, error: BaseException) -> None:
        cause = f"Closing what the source {source} shared failed: {reason_of(error)}."
        event = Event(at=self._clock(), kind=EventKind.PLUGIN_FAILED, text=cause, detail={"plugin": source})
        self._bus.mention(self._write_queue.later, event)

    def _note_waiting(self, job: str, text: str) -> None:
        event = Event(at=self._clock(), kind=EventKind.PLUGIN_AWAITED, text=text, job=job)
        self._bus.mention(self._write_queue.later, event)

    def _started(self, obtain: Obtain, job: str) -> Event:
        detail = {"source": obtain.source, "names": sorted(obtain.request.names), "request": obtain.request.id}
        return Event(
            at=self._clock(), kind=EventKind.ORDER_STARTED, text=obtain.reason, job=job, module="", detail=detail
        )


def _join(threads: Iterable[threading.Thread], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _chain(services: SourceServices, chain_id: str) -> Chain:
    chain = services.writer.read(lambda store: store.chains.load(chain_id))
    if chain is None:
        raise ChainGone(chain_id)
    return chain
