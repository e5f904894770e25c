"""Tables of plugins as a whole, and of notifiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.config.files import SettingsKey
from agent.config.settings import NotifierEntry, PluginEntry
from agent.config.table_validation import InstanceHeader, PluginHeader, TableValidation, part
from agent.config.wanted_plugins import tables_of
from agent.contract.notifier import Notifier
from agent.contract.plugin_settings import PluginSettings
from agent.registry.contract_checks import CORE_KEYS, NAME, NAME_RULE, PLUGIN_KEYS


class PluginTables:
    """Tables ``[plugins.NAME]`` and ``[notify.NAME]`` of one tree."""

    def __init__(self, tables: TableValidation) -> None:
        self._tables = tables

    def plugins(self) -> dict[str, PluginEntry]:
        """Return the settings of plugins as a whole: of those with a table, and of those that are enabled by another one."""
        tables = tables_of(self._tables.tree, "plugins")
        enabled = {each.name for each in self._tables.registry.plugins if each.enabled}
        names = sorted({*tables, *(set(self._tables.registry.settings) & enabled)})
        entries = {name: self._plugin(name, tables.get(name, {})) for name in names}
        return {name: entry for name, entry in entries.items() if entry}

    def _plugin(self, name: str, table: Any) -> PluginEntry | None:
        key: SettingsKey = ("plugins", name)
        if name not in {each.name for each in self._tables.registry.plugins}:
            self._tables.note(key, self._tables.no_plugin(name))
            return None
        header = self._tables.validate(PluginHeader, key, part(table, PLUGIN_KEYS)) if isinstance(table, dict) else None
        if header is None or not header.enabled or name in self._tables.registry.broken:
            return PluginEntry(enabled=False) if header and not header.enabled else None
        kind = self._tables.registry.settings.get(name, PluginSettings)
        made = self._tables.instance(key, kind, part(table, set(table) - PLUGIN_KEYS), PLUGIN_KEYS)
        return PluginEntry(enabled=True, settings=made) if made else None

    def notifiers(self) -> dict[str, NotifierEntry]:
        """Return the notifiers that tables name."""
        tables = sorted(tables_of(self._tables.tree, "notify").items())
        entries = {name: self._notifier(name, table) for name, table in tables if isinstance(table, dict)}
        return {name: entry for name, entry in entries.items() if entry}

    def _notifier(self, name: str, table: Mapping[str, Any]) -> NotifierEntry | None:
        key: SettingsKey = ("notify", name)
        if not NAME.fullmatch(name):
            self._tables.note(key, f"the name of a notifier {NAME_RULE}")
        header = self._tables.validate(InstanceHeader, key, part(table, CORE_KEYS))
        if header is None:
            return None
        plugin = header.plugin or name
        kind = self._tables.registry.notifiers.get(plugin)
        if not header.enabled or plugin in self._tables.registry.broken:
            return NotifierEntry(plugin, header.enabled)
        if kind is None:
            self._tables.note(
                (*key, "plugin") if header.plugin else key,
                self._tables.unknown("notifier", plugin, self._tables.registry.notifiers),
            )
            return None
        made: Notifier | None = self._tables.instance(key, kind, part(table, set(table) - CORE_KEYS), CORE_KEYS)
        return NotifierEntry(plugin, enabled=True, notifier=made) if made else None
