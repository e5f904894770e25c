"""Lines of the agent's log for events."""

from __future__ import annotations

from collections.abc import Callable

from agent.daemon.log import Level
from agent.model.events import Event, EventKind

LEVELS = {
    EventKind.BROKEN: Level.ERROR,
    EventKind.MODULE_FAILED: Level.ERROR,
    EventKind.PLUGIN_FAILED: Level.ERROR,
    EventKind.CHAIN_REVOKED: Level.WARNING,
    EventKind.CLOCK_DOUBTED: Level.WARNING,
    EventKind.DATABASE_RESTORED: Level.WARNING,
    EventKind.RESTORE_TAKEN_BACK: Level.WARNING,
    EventKind.DRIFT: Level.WARNING,
    EventKind.OBSERVED: Level.WARNING,
    EventKind.ORDER_FAILED: Level.WARNING,
    EventKind.PLUGIN_AWAITED: Level.WARNING,
    EventKind.REFUSED: Level.WARNING,
    EventKind.ROLLED_BACK: Level.WARNING,
    EventKind.WAITING: Level.WARNING,
}
UNLOGGED = {EventKind.PASS_STARTED, EventKind.PASS_ENDED, EventKind.SETTINGS_REFUSED}
"""The supervisor says these itself: why a pass was made, and each error of the settings."""


def listener(say: Callable[[str, Level], object]) -> Callable[[Event], None]:
    """Return a listener of the bus that says each event as ``key=value``."""

    def tell(event: Event) -> None:
        if event.kind not in UNLOGGED:
            say(_line(event), LEVELS.get(event.kind, Level.INFO))

    return tell


def _line(event: Event) -> str:
    pairs = {"event": str(event.kind), "module": event.module, "job": event.job}
    shown = [f"{key}={value}" for key, value in pairs.items() if value]
    return " ".join((*shown, f'text="{event.text}"'))
