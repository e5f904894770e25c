"""What runs beside the lock: orders and inquiries. What came of them waits until a round takes it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from agent.contract.context import Http01
from agent.contract.source import Source
from agent.crl import RevocationLists
from agent.engine.bus import Bus
from agent.engine.inquiries import InquiryResult, ask_about, begin, not_begun
from agent.engine.order_context import StoredOrderContext
from agent.engine.orders import Delivery, ask, given_back
from agent.engine.shared_objects import SharedObjects, key_of, keys_of
from agent.engine.source_context import Clock, SourceServices, StoredSourceContext
from agent.engine.worker_pool import Key, Task, WorkerPool
from agent.engine.write_queue import BEAT, DirectWriter, WriteQueue
from agent.errors.deploy import ChainGone
from agent.errors.wording import reason_of
from agent.model.events import Event, EventKind
from agent.model.records import Watch
from agent.pki.chain import Chain
from agent.planning import Inquire, Obtain
from agent.store import Store

Outcome = Delivery | InquiryResult
INQUIRY_GRACE = 1.0
"""Seconds for inquiries that are asked to stop: nothing is lost with them."""


class Workers:
    """Asks sources in threads, and keeps what these share: one writer, and one object for each source."""

    def __init__(self, bus: Bus, clock: Clock, *, beat_seconds: float = BEAT) -> None:
        """`beat_seconds`: between two signs of life for the leases of orders."""
        self._bus = bus
        self._clock = clock
        self._opened: Store | None = None
        self._write_queue = WriteQueue(self._connect, self._renew_leases, beat_seconds=beat_seconds)
        self._shared = SharedObjects(self._note_failed_close)
        self._orders, self._inquiries = WorkerPool(self._deliver), WorkerPool(self._deliver)
        self._lists = RevocationLists()
        self._ordered: dict[Key, Source] = {}
        self._inquired: dict[Key, Source] = {}
        self._lock = threading.Lock()
        self._ended: dict[Key, Outcome] = {}
        self.wake = threading.Event()
        """Set when something has ended, or by whoever wants the loop to look again."""

    def services(self, store: Store, http01: Http01, job: str, *, at_once: bool = False) -> SourceServices:
        """Return what offices work with; `at_once`: with the caller's connection, for who holds the lock."""
        self._opened = store
        writer = DirectWriter(store) if at_once else self._write_queue
        return SourceServices(writer, self._bus, self._clock, store.layout, http01, self._shared, job)

    # Beginning

    def order(self, store: Store, orders: Iterable[tuple[Source, Obtain]], services: SourceServices) -> None:
        """Begin orders, but for those that this or another living process works at. Call under the lock."""
        fresh = [(source, obtain) for source, obtain in orders if _key_of_order(obtain) not in self._ordered]
        if not fresh:
            return
        with store.write():
            fresh = [each for each in fresh if store.orders.lease(*_key_of_order(each[1]), self._clock())]
            known = self._bus.record(store, [self._started(obtain, services.job) for _, obtain in fresh])
        self._bus.show(store, known)
        for source, obtain in fresh:
            self._ordered[_key_of_order(obtain)] = source
            self._write_queue.begin()  # it shows that the holder of the leases lives
            back = partial(self._give_back, source, obtain)
            self._orders.add(Task(_key_of_order(obtain), source, partial(self._ask, source, obtain, services), back))

    def inquire(self, store: Store, inquiries: Iterable[tuple[Source, Inquire]], services: SourceServices) -> None:
        """Begin inquiries that are not running yet. Call under the lock."""
        fresh = [(source, action) for source, action in inquiries if _key_of_inquiry(action) not in self._inquired]
        if not fresh:
            return
        with store.write():
            known = [begin(store, action, self._clock()) for _, action in fresh]
        for (source, action), before in zip(fresh, known, strict=True):
            key = _key_of_inquiry(action)
            self._inquired[key] = source
            work = partial(self._ask_about, source, action, before, services)
            self._inquiries.add(Task(key, source, work, partial(not_begun, action, before)))

    # How far they are

    @property
    def busy(self) -> bool:
        """Whether an order or an inquiry runs, or has ended and was not handed over yet."""
        return bool(self._ordered or self._inquired)

    @property
    def ordering(self) -> bool:
        """Whether an order runs."""
        with self._lock:
            return any(key not in self._ended for key in self._ordered)

    @property
    def all_delivered(self) -> bool:
        """Whether every order has ended, and every inquiry where there are no orders: nobody waits for those."""
        with self._lock:
            return all(key in self._ended for key in self._ordered or self._inquired)

    @property
    def delivered(self) -> bool:
        """Whether something has ended and was not handed over yet."""
        return bool(self._ended)

    @property
    def brought(self) -> bool:
        """Whether an order has ended and was not handed over yet."""
        with self._lock:
            return any(key in self._ended for key in self._ordered)

    def hand_over(self, settle: Callable[[Sequence[Delivery], Sequence[InquiryResult]], object]) -> None:
        """Have settled what has ended. What could not be stored stays for the next round."""
        with self._lock:
            ended = dict(self._ended)
        if not ended:
            return
        deliveries = [each for each in ended.values() if isinstance(each, Delivery)]
        settle(deliveries, [each for each in ended.values() if isinstance(each, InquiryResult)])
        with self._lock:
            for key in ended:
                del self._ended[key]
                self._ordered.pop(key, None)
                self._inquired.pop(key, None)

    # Ending

    def tidy(self, rungs: Iterable[Source]) -> None:
        """Close what sources shared with settings that are no longer in force and that nothing uses any more."""
        working = [*self._ordered.values(), *self._inquired.values()]
        self._shared.keep(keys_of(rungs) | {key_of(source) for source in working})

    def stop(self, grace: float) -> None:
        """Ask everything to stop and give it `grace` seconds in all; orders that don't are left to their lease."""
        orders, inquiries = self._orders.halt(), self._inquiries.halt()
        _join(orders, grace)
        _join(inquiries, min(grace, INQUIRY_GRACE))

    def close(self) -> None:
        """Close what sources shared, and end the writer. Whatever comes later starts anew."""
        self._shared.close()
        self._write_queue.close()

    # In their threads

    def _ask(self, source: Source, obtain: Obtain, services: SourceServices, stop: threading.Event) -> Delivery:
        return ask(source, obtain, StoredOrderContext(services, source, obtain, stop), self._clock)

    def _give_back(self, source: Source, obtain: Obtain) -> Delivery:
        return given_back(source, obtain, self._clock())

    def _ask_about(
        self, source: Source, action: Inquire, before: Watch | None, services: SourceServices, stop: threading.Event
    ) -> InquiryResult:
        context = StoredSourceContext(services, source, stop, {"names": list(action.names), "chain": action.chain})
        return ask_about(action, partial(_chain, services, action.chain), before, source, context, self._lists)

    def _deliver(self, key: Key, outcome: Outcome) -> None:
        with self._lock:
            self._ended[key] = outcome
        self.wake.set()

    # The writer

    def _connect(self) -> Store:
        if self._opened is None:
            raise RuntimeError("nothing was begun")
        return self._opened.again(several=True)

    def _renew_leases(self, store: Store) -> None:
        store.orders.renew(self._clock())

    def _note_failed_close(self, source: str, error: Exception) -> None:
        cause = f"Closing what the source {source} shared failed: {reason_of(error)}."
        event = Event(self._clock(), EventKind.PLUGIN_FAILED, cause, detail={"plugin": source})
        self._bus.mention(self._write_queue.later, event)

    def _started(self, obtain: Obtain, job: str) -> Event:
        detail = {"source": obtain.source, "names": sorted(obtain.request.names), "request": obtain.request.id}
        return Event(self._clock(), EventKind.ORDER_STARTED, obtain.reason, job, "", detail)


def _join(threads: Iterable[threading.Thread], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _key_of_order(obtain: Obtain) -> Key:
    return obtain.request.id, obtain.source


def _key_of_inquiry(action: Inquire) -> Key:
    return "inquiry", action.chain


def _chain(services: SourceServices, chain_id: str) -> Chain:
    chain = services.writer.read(lambda store: store.chains.load(chain_id))
    if chain is None:
        raise ChainGone(chain_id)
    return chain
