"""The event bus: events go to the store first, then to this process's displays. Plugins are told of what is in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from agent.model.events import Event
from agent.store import Store

Listener = Callable[[Event], None]
"""A display of this process. Unlike a plugin's observer it is ours, and must not raise."""
Later = Callable[[Callable[[Store], object]], object]
"""Has something written, now or soon."""


@dataclass(frozen=True)
class Bus:
    """Stores an event, and shows it to this process's displays."""

    listeners: Sequence[Listener] = ()

    def publish(self, store: Store, *events: Event) -> None:
        """Put events on the bus, together in one durable transaction."""
        with store.write():
            known = self.record(store, events)
        self.show(known)

    def record(self, store: Store, events: Iterable[Event]) -> list[Event]:
        """Store events as a part of the caller's transaction; `show` what comes back when that is durable."""
        return [replace(event, id=store.journal.add(event)) for event in events]

    def show(self, events: Iterable[Event]) -> None:
        """Show events that are in the store."""
        for event in events:
            for listener in self.listeners:
                listener(event)

    def mention(self, later: Later, event: Event) -> None:
        """Show an event at once and have it stored soon: for what passes by and leads to nothing that must be undone."""
        later(lambda store: store.journal.add(event))
        self.show([event])
