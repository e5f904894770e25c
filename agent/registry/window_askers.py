"""Plugins that open a firewall as long as a CA looks, asked through the guard: what one does costs its window only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.contract.challenge_window import ChallengeWindow
from agent.registry.answers import one_of
from agent.registry.guard import Asked, Guard
from agent.registry.hook_manager import HookManager
from agent.system.command import Command

HOOK = "challenge_window"
SECONDS = 10.0
"""For one answer."""
NO_EFFECT = "The CA is told to look all the same; other windows are opened."


@dataclass(frozen=True, slots=True)
class WindowAsker:
    """One plugin that answers the hook."""

    plugin: str
    ask: Callable[..., Any]
    guard: Guard

    def command(self, window: ChallengeWindow) -> Command | None:
        """Return what opens or closes a window; None: nothing has to be done. Raises `PluginFailed`, `PluginHangs`."""
        asked = Asked(self.plugin, HOOK, f"the window of {', '.join(window.names)}", NO_EFFECT)

        def answered() -> Command | None:
            found = [each for each in self.ask(window=window) if each is not None]
            answer: Command | None = one_of(found[0] if found else None, (Command,))
            return answer

        # apart: one that hangs is asked again for the next window
        return self.guard.apart().call(asked, answered, most=SECONDS)


def window_askers(manager: HookManager, guard: Guard) -> list[WindowAsker]:
    """Return those that are enabled, each with a caller of its own: one that raises keeps nothing from the others."""
    found = [each for each in manager.hook.challenge_window.get_hookimpls() if not (each.wrapper or each.hookwrapper)]
    return [
        WindowAsker(
            each.plugin_name.removeprefix("plugin ").removeprefix("plugins."),
            manager.subset_hook_caller(HOOK, [other.plugin for other in found if other.plugin is not each.plugin]),
            guard,
        )
        for each in found
    ]
