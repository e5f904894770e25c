"""Listeners, which are told of the stored events: observers and notifiers alike."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.contract.module import Module
from agent.contract.notifier import NotifierContext
from agent.contract.plugin_settings import PluginSettings
from agent.model.delivery import ListenerKind
from agent.model.events import Event
from agent.registry.guard import Asked, Guard
from agent.registry.hook_manager import HookManager

if TYPE_CHECKING:
    from agent.contract.notifier import Notifier
    from agent.registry.plugins import Registry

HOOK = "on_event"
OBSERVER_SECONDS = 10.0
"""For one event."""
MOST_SECONDS = 60.0
"""For one event, whatever a notifier says of itself."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One that is told of events."""

    name: str
    """As its table: ``notify.mail``, ``plugins.audit``, ``modules.web``; the plugin's own for a function at its top level."""
    kind: ListenerKind
    plugin: str
    seconds: float
    wants: Callable[[Event], bool]
    tell: Callable[[Event, NotifierContext], object]

    guard: Guard

    @property
    def asked(self) -> Asked:
        """What a call of it is about."""
        return Asked(self.plugin, HOOK if self.kind is ListenerKind.OBSERVER else "send", self.name)

    def place(self, thread: int | None) -> str:
        """Return ``FILE:LINE`` of the plugin that a thread runs at this moment; empty: none."""
        found = self.guard.culprits.of_frame(sys._current_frames().get(thread or 0))
        return str(found or "")


def listeners_of(
    registry: Registry,
    settings: Mapping[str, PluginSettings],
    modules: Mapping[str, Module],
    notifiers: Mapping[str, Notifier],
) -> dict[str, Listener]:
    """Return all that are enabled, by name."""
    found = [*_observers(registry, settings, modules), *_notifiers(registry, notifiers)]
    return {each.name: each for each in found}


def _observers(
    registry: Registry, settings: Mapping[str, PluginSettings], modules: Mapping[str, Module]
) -> Iterator[Listener]:
    """Yield the observers, each with a caller of its own, so that one that raises keeps nothing from the others."""
    manager = HookManager(only=HOOK)
    plugins: dict[str, str] = {}
    for name, plugin, thing in _things(registry, settings, modules):
        if manager.answers(HOOK, thing):
            manager.register(thing, name)
            plugins[name] = plugin
    found = [each for each in manager.hook.on_event.get_hookimpls() if not (each.wrapper or each.hookwrapper)]
    for each in found:
        name, thing = each.plugin_name, each.plugin
        others = [other.plugin for other in found if other.plugin is not thing]
        tell = _observing(manager.subset_hook_caller(HOOK, others))
        observer = ListenerKind.OBSERVER
        yield Listener(name, observer, plugins[name], OBSERVER_SECONDS, _always, tell, registry.guard)


def _things(
    registry: Registry, settings: Mapping[str, PluginSettings], modules: Mapping[str, Module]
) -> Iterator[tuple[str, str, object]]:
    """Yield what may observe, with the name that it has as a listener and its plugin's."""
    for name, plugin in registry.enabled_plugins.items():
        yield name, name, plugin
    for name, made in settings.items():
        yield f"plugins.{name}", name, made
    for name, module in modules.items():
        yield f"modules.{name}", type(module).name, module


def _notifiers(registry: Registry, notifiers: Mapping[str, Notifier]) -> Iterator[Listener]:
    for name, notifier in notifiers.items():
        yield Listener(
            f"notify.{name}",
            ListenerKind.NOTIFIER,
            _plugin_of(registry, f"notifier {type(notifier).name}"),
            min(float(notifier.seconds), MOST_SECONDS),
            notifier.wants,
            notifier.send,
            registry.guard,
        )


def _plugin_of(registry: Registry, contribution: str) -> str:
    return next((each.name for each in registry.plugins if contribution in each.contributions), contribution)


def _observing(caller: Callable[..., Any]) -> Callable[[Event, NotifierContext], object]:
    return lambda event, _context: caller(event=event)


def _always(_event: Event) -> bool:
    return True
