"""Challenge windows that stay open: a person has closed one in another way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.engine.window_leftovers import SCOPE, left_windows
from agent.errors.usage import UnknownWindow
from agent.health.challenge_windows import of_windows

if TYPE_CHECKING:
    from agent.operations.locked_state import LockedState


def forget_window(state: LockedState, window: str) -> None:
    """Forget a window that no order needs, so that what closes it is not run again. Raises `UnknownWindow`."""
    left = left_windows(state.store, state.now)
    rows = [each for each in left if each.id == window]
    if not rows:
        raise UnknownWindow(window, sorted({each.id for each in left}))
    with state.change("challenge window closed", window, ", ".join(sorted({each.by for each in rows}))):
        state.store.windows.delete(rows)
        state.store.conditions.replace(SCOPE, of_windows(each for each in left if each not in rows), state.now)
