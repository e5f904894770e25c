"""Delivery of the stored events to observers and notifiers, side by side, each from its own cursor."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from queue import Empty, SimpleQueue

from agent.contract.notifier import NotifierContext
from agent.daemon.delivery_call import DeliveryCall
from agent.daemon.delivery_marks import DeliveryMarks
from agent.daemon.log import Level
from agent.errors.listener import (
    EventsSkipped,
    ListenerDied,
    ListenerFailed,
    ListenerHung,
    NotifierRaised,
    ObserverRaised,
)
from agent.model.delivery import MOST_BEHIND, Delivery, ListenerKind
from agent.model.events import Event, EventKind
from agent.model.finding import Finding, Severity, SubjectKind
from agent.registry.listeners import Listener
from agent.store import Store
from agent.store.deliveries import failures_of, skips_of

AT_ONCE = 100
"""Events of one listener that are read together."""
TRIES = 2
"""Deaths of the process on one event before an observer is told the next one."""

Say = Callable[[str, Level], object]


class Deliverer:
    """Teller of events. It owns the store; the calls run in threads that know nothing of it."""

    def __init__(
        self,
        store: Store,
        listeners: Callable[[], Mapping[str, Listener]],
        context: Callable[[], NotifierContext],
        clock: Callable[[], datetime],
        marks: DeliveryMarks,
        say: Say = lambda _text, _level: None,
    ) -> None:
        """`listeners` and `context` are asked whenever something is to be told."""
        self._store = store
        self._listeners = listeners
        self._context = context
        self._clock = clock
        self._marks = marks
        self._say = say
        self._calls: dict[str, DeliveryCall] = {}
        """Those under way, by listener; those that were given up too, as long as their threads live."""
        self._ended: SimpleQueue[DeliveryCall] = SimpleQueue()

    # When

    @property
    def is_busy(self) -> bool:
        """Whether somebody is told at this moment; who hangs doesn't count."""
        return any(not each.is_given_up for each in self._calls.values())

    @property
    def is_stuck(self) -> bool:
        """Whether somebody is to be told who still hangs: only another process can."""
        return any(each.listener in self._calls and self._calls[each.listener].is_given_up for each in self._due())

    @property
    def hangs(self) -> bool:
        """Whether somebody hangs."""
        return any(each.is_given_up for each in self._calls.values())

    def _due(self) -> list[Delivery]:
        now = self._clock()
        return [each for each in self._store.deliveries.waiting() if not each.is_paused(now)]

    # What is done

    def look(self, seconds: float) -> bool:
        """Begin what is due, and take over what ends or hangs within `seconds`. Return whether there was anything."""
        has_begun = self._begin()
        before = len(self._calls)
        overdue = [each.overdue_at - time.monotonic() for each in self._calls.values() if not each.is_given_up]
        with contextlib.suppress(Empty):
            self._take(self._ended.get(timeout=max(0.0, min([seconds, *overdue]))))
            while True:
                self._take(self._ended.get_nowait())
        return self._give_up() or has_begun or len(self._calls) < before

    def take_up(self) -> None:
        """Note whom an earlier process was telling when it died."""
        rows = {each.listener: each for each in self._store.deliveries.all()}
        for name, number in self._marks.left().items():
            found = self._store.journal.after(number - 1, 1)
            if name in rows and found and found[0].id == number and rows[name].told < number:
                self._died(rows[name], found[0], number)
        self._marks.forget()

    def forget_marks(self) -> None:
        """Note that nobody is being told, so that nobody is blamed for the end of this process."""
        self._marks.forget()

    def wait(self, seconds: float) -> None:
        """Wait for the calls that run, but not for longer; who is not told to the end is told again."""
        deadline = time.monotonic() + seconds
        while self.is_busy and time.monotonic() < deadline:
            with contextlib.suppress(Empty):
                self._take(self._ended.get(timeout=max(0.0, deadline - time.monotonic())))

    def _begin(self) -> bool:
        """Begin what is due; return whether anything is."""
        due = [each for each in self._due() if each.listener not in self._calls]
        listeners = self._listeners() if due else {}
        due = [each for each in due if each.listener in listeners]
        context = self._context() if due else None
        for row in due:
            events = self._next(row)
            if events and context:
                call = DeliveryCall(listeners[row.listener], events, context, self._marks, self._ended)
                self._calls[row.listener] = call
        return bool(due)

    def _next(self, row: Delivery) -> list[Event]:
        """Return the next events for a listener, and skip what is no longer there, or too much."""
        first, last = self._store.journal.range()
        oldest = max(first - 1, last - MOST_BEHIND)
        told = row.told if row.told <= last else first - 1  # the table was made again, or is of a copy
        if told < oldest:
            self._skipped(replace(row, told=oldest), oldest - told)
        events = self._store.journal.after(max(told, oldest), AT_ONCE)
        if not events:  # what there is can't be read
            self._write(row.passed(last, ""))
        return events

    def _take(self, call: DeliveryCall) -> None:
        del self._calls[call.listener.name]
        self._marks.end(call.listener.name)
        row = self._row(call.listener.name)
        if row is None or call.is_given_up:
            return
        if call.failure is None:
            self._succeeded(row, call.event)
        else:
            kind = ObserverRaised if row.kind is ListenerKind.OBSERVER else NotifierRaised
            error = kind(row.listener, str(call.event.kind), call.failure.place, error=call.failure.error)
            self._failed(row, call.event, error, pause=row.kind is ListenerKind.NOTIFIER)

    def _give_up(self) -> bool:
        """Give up what hangs; return whether anything does that didn't."""
        now = time.monotonic()
        found = [each for each in self._calls.values() if not each.is_given_up and now >= each.overdue_at]
        for call in found:
            call.is_given_up = True
            self._marks.end(call.listener.name)
            row = self._row(call.listener.name)
            if row is not None:
                error = ListenerHung(row.listener, str(call.event.kind), call.place, call.listener.seconds)
                self._failed(row, call.event, error, pause=True)
        return bool(found)

    def _row(self, listener: str) -> Delivery | None:
        return next((each for each in self._store.deliveries.all() if each.listener == listener), None)

    # What is noted

    def _succeeded(self, row: Delivery, event: Event) -> None:
        after = row.passed(event.id or 0, str(event.kind))
        with self._store.write():
            self._store.deliveries.update(after)
            if row.failed and not after.failed:
                self._store.conditions.replace(failures_of(row.listener), [], self._clock())
                self._store.forget_up_to_date()

    def _failed(self, row: Delivery, event: Event, error: ListenerFailed, *, pause: bool) -> None:
        """Note a failure: an observer is told the next event, a notifier the same one."""
        passed = row.kind is ListenerKind.OBSERVER
        number = event.id or 0
        self._note(row.failing(number if passed else number - 1, str(event.kind), self._clock(), pause=pause), error)

    def _died(self, row: Delivery, event: Event, number: int) -> None:
        gives_up = row.kind is ListenerKind.OBSERVER and row.attempts + 1 >= TRIES
        told = number if gives_up else max(row.told, number - 1)
        error = ListenerDied(row.listener, str(event.kind))
        self._note(row.failing(told, str(event.kind), self._clock(), pause=True), error)

    def _note(self, after: Delivery, error: ListenerFailed) -> None:
        error.retry_at = after.retry_at
        scope, finding = failures_of(after.listener), _finding(after, error)
        with self._store.write():
            self._store.deliveries.update(after)
            if self._store.conditions.replace(scope, [finding], self._clock()):
                self._tell(after, error)
        self._say(" ".join(error.problem.lines()), Level.ERROR)

    def _skipped(self, row: Delivery, count: int) -> None:
        error = EventsSkipped(row.listener, count)
        with self._store.write():
            self._store.deliveries.update(row)
            self._store.conditions.replace(skips_of(row.listener), [_finding(row, error)], self._clock())
            self._tell(row, error)
        self._say(" ".join(error.problem.lines()), Level.ERROR)

    def _tell(self, row: Delivery, error: ListenerFailed | EventsSkipped) -> None:
        """Have the failure of a plugin among the events, and the next run look at everything."""
        detail = {"plugin": row.plugin, "listener": row.listener}
        self._store.journal.add(
            Event(at=self._clock(), kind=EventKind.PLUGIN_FAILED, text=error.problem.cause, detail=detail)
        )
        self._store.forget_up_to_date()

    def _write(self, row: Delivery) -> None:
        with self._store.write():
            self._store.deliveries.update(row)


def _finding(row: Delivery, error: ListenerFailed | EventsSkipped) -> Finding:
    return Finding(SubjectKind.PLUGIN, row.plugin, Severity.WARNING, error.problem, title=row.listener)
