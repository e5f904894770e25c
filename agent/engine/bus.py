"""The event bus: events go to the store first, then to displays and to the observers of plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from agent.model.events import Event, EventKind
from agent.registry.hooks import Hooks
from agent.store import Store

Listener = Callable[[Event], None]
"""A display of this process. Unlike a plugin's observer it is ours, and must not raise."""
Later = Callable[[Callable[[Store], object]], object]
"""Has something written, now or soon."""


@dataclass
class Bus:
    """Stores an event, shows it to this process's displays, and tells the plugins' observers."""

    listeners: Sequence[Listener] = ()
    hooks: Hooks | None = None
    failed: dict[str, str] = field(default_factory=dict)
    """Observer -> what it raised last; named in the status."""
    heard: set[tuple[str, str]] = field(default_factory=set)
    """`(observer, kind of event)` that an observer was told without raising."""

    def publish(self, store: Store, *events: Event) -> None:
        """Put events on the bus, together in one durable transaction."""
        with store.write():
            known = self.record(store, events)
        self.show(store, known)

    def record(self, store: Store, events: Iterable[Event]) -> list[Event]:
        """Store events as a part of the caller's transaction; `show` what comes back when that is durable."""
        return [replace(event, id=store.journal.add(event)) for event in events]

    def show(self, store: Store, events: Iterable[Event]) -> None:
        """Show events that are in the store."""

        def write(work: Callable[[Store], object]) -> None:
            with store.write():
                work(store)

        for event in events:
            self._show(event, write)

    def mention(self, later: Later, event: Event) -> None:
        """Show an event at once and have it stored soon: for what passes by and leads to nothing that must be undone."""
        later(lambda store: store.journal.add(event))
        self._show(event, later)

    def _show(self, event: Event, later: Later) -> None:
        for listener in self.listeners:
            listener(event)
        if self.hooks is None:
            return
        errors = self.hooks.notify(event)
        raised = {error.observer for error in errors}
        for name in self.hooks.observers:
            if name not in raised:
                self._has_heard(name, str(event.kind))
        for error in errors:
            self._note(event, error.observer, str(error.problem.cause), later)

    def _has_heard(self, observer: str, kind: str) -> None:
        self.heard.add((observer, kind))
        if f'"{kind}"' in self.failed.get(observer, ""):
            del self.failed[observer]

    def _note(self, event: Event, observer: str, cause: str, later: Later) -> None:
        """Say it once: an observer that always raises must not fill the table."""
        if self.failed.get(observer) == cause:
            return
        self.failed[observer] = cause
        note = Event(event.at, EventKind.PLUGIN_FAILED, cause, event.job, "", {"plugin": observer})
        later(lambda store: store.journal.add(note))
        for listener in self.listeners:
            listener(note)
