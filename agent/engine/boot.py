"""A boot: its outcome, and what it does before it asks settings or plugins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agent.deploy.undoing import undo_interrupted
from agent.engine.bus import Bus
from agent.model.events import Event, EventKind
from agent.model.finding import Finding
from agent.store import Store


@dataclass(frozen=True)
class Booted:
    """Outcome of a boot."""

    performed: tuple[str, ...]
    """Lines for people: what was done."""
    findings: tuple[Finding, ...]
    """What was left, for a module or a service alone."""


def undo_first(store: Store, bus: Bus, now: datetime, job: str) -> list[str]:
    """Undo what a crash has left in the middle. Return lines for people."""
    undone = undo_interrupted(store, now)
    if undone:
        detail = {"modules": undone}
        bus.publish(
            store,
            Event(
                at=now, kind=EventKind.RECOVERED, text="an interrupted transaction was undone", job=job, detail=detail
            ),
        )
    return [f"recovered {', '.join(undone)}"] if undone else []
