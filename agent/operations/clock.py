"""The machine's clock is accepted by an administrator: it is believed from now on, whatever is remembered."""

from __future__ import annotations

from agent.auth.audit_log import AuditLog
from agent.auth.person import Actor
from agent.errors.operations import ClockBeforeRelease, ClockNeverSet
from agent.errors.problem import rfc3339
from agent.errors.store import StateUnwritable
from agent.model.events import Event, EventKind
from agent.store import Store
from agent.system.clock import Clock
from agent.system.clock_judgement import can_be
from agent.system.layout import Layout
from agent.system.lock import held
from agent.system.release import RELEASED_AT

BELIEVED = "the machine's clock is believed again: {} said so"


def accept_clock(layout: Layout, clock: Clock, actor: Actor, *, wait: float) -> None:
    """Believe the machine's clock.

    Raises `ClockBeforeRelease`, `ClockNeverSet`, `LockHeld` after `wait` seconds, and `StoreError`.
    """
    shown = clock.wall()
    if shown < RELEASED_AT:
        raise ClockBeforeRelease(shown, RELEASED_AT)
    if not can_be(shown.timestamp(), RELEASED_AT.timestamp()):
        raise ClockNeverSet(shown, RELEASED_AT)
    with held(layout.lock, wait=wait), Store.open(layout) as store:
        with store.write():
            AuditLog(store).note(actor, shown, "clock accepted", rfc3339(shown), f"believed was {rfc3339(clock())}")
            store.journal.add(Event(at=shown, kind=EventKind.CLOCK_BELIEVED, text=BELIEVED.format(actor.name)))
        try:
            clock.accept()
        except OSError as error:
            raise StateUnwritable(str(layout.private), (error.strerror or str(error)).lower()) from error
