"""Tables of modules: each becomes an entry, with the module, or with the error of its plugin, which costs that module only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.config.files import SettingsKey
from agent.config.settings import ModuleEntry
from agent.config.table_validation import VALIDATION, InstanceHeader, TableValidation, part
from agent.config.wanted_plugins import tables_of
from agent.contract.module import Module
from agent.errors.plugin import STAYS, ModuleMissing, ModuleRaised, PluginError, PluginHangs
from agent.errors.plugin_loading import NothingRegistered
from agent.registry.answers import text
from agent.registry.contract_checks import CORE_KEYS, NAME, NAME_RULE
from agent.registry.guard import Asked, PluginFailed

NO_WILDCARDS = (
    "this service is asked for by whole names: its clients may refuse a chain that has a wildcard in place of them"
)


class ModuleTables:
    """Tables ``[modules.NAME]`` of one tree."""

    def __init__(self, tables: TableValidation) -> None:
        self._tables = tables

    def entries(self) -> dict[str, ModuleEntry]:
        """Return the entries of all whose table can be read; the problems of the others are noted."""
        tables = sorted(tables_of(self._tables.tree, "modules").items())
        entries = {name: self._entry(name, table) for name, table in tables}
        return {name: entry for name, entry in entries.items() if entry}

    def _entry(self, name: str, table: Any) -> ModuleEntry | None:
        if not isinstance(table, dict):
            return None
        key: SettingsKey = ("modules", name)
        if not NAME.fullmatch(name):
            self._tables.note(key, f"the name of a module {NAME_RULE}")
        header = self._tables.validate(InstanceHeader, key, part(table, CORE_KEYS))
        if header is None:
            return None
        plugin = header.plugin or name
        kind = self._tables.registry.modules.get(plugin)
        title = self._title(kind) if kind else name
        if not header.enabled:
            return ModuleEntry(name, plugin, title, enabled=False)
        if kind is None:
            return self._without_class(key, plugin, explicit=header.plugin is not None)
        return self._with_class(key, kind, title, table)

    def _title(self, kind: type[Module]) -> str:
        """Return what people call a module; its name where its class fails to say it."""
        asked = Asked(self._tables.guard.plugin_of(kind), "heading", f"[modules.{kind.name}]", STAYS)
        try:
            return self._tables.guard.call(asked, lambda: text(kind.heading()))
        except (PluginFailed, PluginHangs):
            return kind.name

    def _without_class(self, key: SettingsKey, plugin: str, *, explicit: bool) -> ModuleEntry | None:
        """Return an entry with the error of a broken plugin, which costs its own modules only; an unknown name is a problem."""
        name = str(key[1])
        error = self._why_broken(name, plugin)
        if error is not None:
            return ModuleEntry(name, plugin, name, enabled=True, error=error)
        record = next((each for each in self._tables.registry.plugins if each.name == plugin), None)
        place = (*key, "plugin") if explicit else key
        if record is None:
            self._tables.note(place, self._tables.no_plugin(plugin, self._tables.registry.modules))
        elif not record.contributions:
            error = NothingRegistered(record.name, record.owner.origin, name)
            return ModuleEntry(name, plugin, name, enabled=True, error=error)
        else:
            modules = ", ".join(record.contributions)
            self._tables.note(place, f'the plugin "{plugin}" registers no module of that name; it registers: {modules}')
        return None

    def _why_broken(self, name: str, plugin: str) -> PluginError | None:
        known = self._tables.registry.refused.get(plugin) or self._tables.registry.broken.get(plugin)
        if known:
            return known
        named = tables_of(self._tables.tree, "plugins")
        broken = [each for each in self._tables.registry.broken if each in named]
        return ModuleMissing(name, plugin, broken) if broken else None

    def _with_class(
        self, key: SettingsKey, kind: type[Module], title: str, table: Mapping[str, Any]
    ) -> ModuleEntry | None:
        name = str(key[1])
        try:
            module = self._tables.validate(kind, key, part(table, set(table) - CORE_KEYS), CORE_KEYS)
        except PluginFailed as failed:
            error = ModuleRaised(name, VALIDATION, failed.error, failed.place)
            return ModuleEntry(name, kind.name, title, enabled=True, error=error)
        except PluginHangs as error:
            return ModuleEntry(name, kind.name, title, enabled=True, error=error)
        if module is None:
            return None
        self._check_choices(key, module)
        return ModuleEntry(name, kind.name, title, enabled=True, module=module)

    def _check_choices(self, key: SettingsKey, module: Module) -> None:
        """Check settings whose allowed values depend on the plugin and on what is installed."""
        if module.key_type is not None and module.key_type not in module.key_types:
            self._tables.note((*key, "key_type"), f"this service accepts only: {', '.join(module.key_types)}")
        if module.wildcards and not module.takes_wildcards:
            self._tables.note((*key, "wildcards"), NO_WILDCARDS)
        for source in module.sources or ():
            if source not in self._tables.registry.sources:
                self._tables.note((*key, "sources"), self._tables.no_source(source))
