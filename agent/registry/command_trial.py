"""Trial of the commands that plugins add to ``chainwright``: what fails is told where nobody asks for a command either."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from agent.errors.plugin import PluginError
from agent.errors.plugin_loading import CommandsFailed
from agent.registry.guard import Guard
from agent.registry.implementations import implementations
from agent.registry.plugin_record import PluginRecord
from agent.registry.plugins import Registry

if TYPE_CHECKING:
    from agent.contract.appliance import Appliance

HOOK = "register_commands"


class _Asked(Exception):
    """A plugin asks the appliance something before one of its commands runs, which no trial can answer."""


class _Elsewhere:
    """Appliance of a trial: a command can keep it."""

    def __getattr__(self, name: str) -> object:
        raise _Asked(name)


def failures_of_commands(plugins: Iterable[PluginRecord], guard: Guard) -> dict[str, PluginError]:
    """Return why commands of enabled plugins are missing, by plugin. One that hangs here is still asked for everything else."""
    adding = tuple(each for each in plugins if each.enabled and adds_commands(each))
    if not adding:
        return {}
    import click

    apart = guard.apart()
    apart.activity, apart.avoided = guard.activity, guard.avoided
    found = Registry(plugins=adding, guard=apart).commands(click.Group, cast("Appliance", _Elsewhere()))
    return {each.plugin: each.error for each in found if each.error and not _is_of_the_trial(each.error)}


def adds_commands(plugin: PluginRecord) -> bool:
    """Whether a plugin that works has the hook."""
    return plugin.plugin is not None and any(each.hook == HOOK for each in implementations(plugin.plugin))


def _is_of_the_trial(error: PluginError) -> bool:
    return isinstance(error, CommandsFailed) and isinstance(error.error, _Asked)
