"""The check of a plugin of an appliance, with the settings that it has there."""

from __future__ import annotations

from collections.abc import Iterable

from agent.config.loading import load, load_all
from agent.errors.usage import UnknownPlugin
from agent.registry.found_plugin import FoundPlugin
from agent.registry.plugin_record import PluginRecord
from agent.sources import BUILT_IN
from agent.system.layout import Layout
from agent.testing.check import check
from agent.testing.findings import CheckReport
from agent.testing.plugin_under_test import restricted


def check_installed(layout: Layout, name: str) -> CheckReport:
    """Check a plugin; nothing of the appliance is changed. Raises `UnknownPlugin` and `SettingsRefused`.

    Where the settings have nothing for it, it is checked with its defaults.
    """
    installed = load_all(layout, BUILT_IN).plugins
    record = _named(installed, name)
    if record is None:
        raise UnknownPlugin(name, [each.name for each in installed])
    if not record.enabled or record.plugin is None:
        return check(_found(record), acts=False, templates=layout.templates)
    settings, registry = load(layout, BUILT_IN)
    record = _named(registry.plugins, name) or record
    own = restricted((settings, registry), record)
    return check(_found(record), acts=False, loaded=lambda: own, templates=layout.templates)


def _named(plugins: Iterable[PluginRecord], name: str) -> PluginRecord | None:
    return next((each for each in plugins if each.name == name), None)


def _found(record: PluginRecord) -> FoundPlugin:
    """Return a plugin that is loaded already, or why it can't be."""
    return FoundPlugin(record.owner, lambda: record.plugin, record.errors[0] if record.plugin is None else None)
