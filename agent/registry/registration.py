"""Registration of one plugin: the classes that it contributes, and its commands, each hook asked through the guard."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy
from pydantic import BaseModel

from agent.errors.plugin import DISABLED, PluginError, PluginHangs
from agent.errors.plugin_loading import COMMANDS_MISSING, CommandsFailed, RegistrationFailed
from agent.registry.answers import members
from agent.registry.contract_checks import CONTRIBUTIONS, Owner, check_hooks, classes
from agent.registry.guard import Asked, Guard, PluginFailed
from agent.registry.hook_manager import HookManager
from agent.registry.implementations import implementations
from agent.registry.plugin_record import PluginRecord
from agent.registry.versions import check_version

if TYPE_CHECKING:
    import click

    from agent.contract.appliance import Appliance

T = TypeVar("T")
MOST_CLASSES = 1000
"""That one plugin may register of a kind."""
Contribution = tuple[str, type[BaseModel]]
"""Hook and class."""


@dataclass(frozen=True, slots=True)
class PluginCommands:
    """Commands that one plugin adds to ``chainwright``."""

    plugin: str
    group: click.Group | None
    error: PluginError | None = None


def contributions_of(guard: Guard, owner: Owner, plugin: object) -> list[Contribution]:
    """Ask a plugin for what it contributes. Raises `LoadError`, `PluginHangs`."""

    def register() -> pluggy.HookRelay:
        hash(plugin)  # pluggy keeps plugins in sets
        return _manager(owner, plugin).hook

    _ask(guard, owner, "api", partial(check_version, owner, plugin))
    _ask(guard, owner, "what it is", lambda: check_hooks(owner, plugin))
    hooks = _ask(guard, owner, "registration", register)
    found: list[Contribution] = []
    for hook in CONTRIBUTIONS:
        answers = _ask(guard, owner, hook, partial(_answers, plugin, hook, getattr(hooks, hook)))
        found += [(hook, each) for returned in answers for each in classes(owner, plugin, hook, returned)]
    return found


def _answers(plugin: object, hook: str, caller: Callable[[], list[Any]]) -> list[Any]:
    """Return what each implementation returned, None as well, which pluggy leaves out; a generator is read."""
    found = [members(each, (object,), MOST_CLASSES) if inspect.isgenerator(each) else each for each in caller()]
    asked = sum(each.hook == hook and not each.wrapper for each in implementations(plugin))
    return [*found, *[None] * (asked - len(found))]


def _ask(guard: Guard, owner: Owner, hook: str, work: Callable[[], T]) -> T:
    try:
        return guard.call(_asked(owner, hook), work, contract=(PluginError,))
    except PluginFailed as failed:
        raise RegistrationFailed(owner.plugin, owner.origin, hook, failed.error, failed.place) from failed.error


def commands_of(
    guard: Guard, record: PluginRecord, make_group: Callable[[str], click.Group], appliance: Appliance
) -> PluginCommands:
    """Ask one plugin for its commands."""
    owner, group = record.owner, make_group(record.name)

    def register() -> None:
        _manager(owner, record.plugin).hook.register_commands(commands=group, appliance=appliance)

    try:
        guard.call(_asked(owner, "register_commands", COMMANDS_MISSING), register)
    except PluginHangs as error:
        return PluginCommands(record.name, None, error)
    except PluginFailed as failed:
        return PluginCommands(record.name, None, CommandsFailed(record.name, owner.origin, failed.error, failed.place))
    return PluginCommands(record.name, group)


def _asked(owner: Owner, hook: str, effect: str = DISABLED) -> Asked:
    return Asked(owner.plugin, hook, f'plugin "{owner.plugin}"', effect)


def _manager(owner: Owner, plugin: object) -> HookManager:
    """Return a manager of one plugin alone."""
    manager = HookManager()
    manager.register(plugin, owner.plugin)
    return manager
