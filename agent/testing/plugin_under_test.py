"""A plugin that is checked: found by name, file, Python module or class, with settings, in an appliance of its own."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

from agent.config.loading import load
from agent.config.settings import CoreSettings, ProbeSettings, Settings
from agent.contract.declaration import Declaration
from agent.contract.dns_solver import DnsSolver
from agent.contract.markers import hookimpl
from agent.contract.module import Module
from agent.contract.notifier import Notifier
from agent.contract.plugin_settings import PluginSettings
from agent.contract.service import Service
from agent.contract.source import Source
from agent.engine.unchanged_settings import Loaded, Loader, UnchangedSettings
from agent.registry.contract_checks import Owner
from agent.registry.drop_ins import of_path
from agent.registry.found_plugin import FoundPlugin
from agent.registry.plugin_record import PluginRecord
from agent.registry.plugins import Registry
from agent.registry.sources import SourceHandle
from agent.sources import BUILT_IN
from agent.system.layout import Layout

Plugin = str | Path | ModuleType | type[BaseModel] | FoundPlugin
"""Name of an installed plugin, a drop-in file, a Python module, a class of one, or what was found already."""
TABLES = {"modules", "services", "source", "dns", "notify", "plugins"}
KINDS: Mapping[type[BaseModel], str] = {
    Module: "register_modules",
    Service: "register_services",
    Source: "register_sources",
    DnsSolver: "register_dns_solvers",
    Notifier: "register_notifiers",
    PluginSettings: "register_settings",
}
ALONE = {
    "sources": ("uploaded", "local"),
    "hostname": "gw",
    "addresses": ("127.0.0.1",),
}
"""Settings of the core while a plugin is checked: nobody is asked."""
PATIENCE = 0.3
"""Seconds after a reload: the stand-in has taken it when it returns."""


def found_plugin(plugin: Plugin) -> tuple[str, list[FoundPlugin]]:
    """Return the name of a plugin, and itself unless it is found by its name."""
    if isinstance(plugin, FoundPlugin):
        return plugin.owner.plugin, [plugin]
    if isinstance(plugin, ModuleType):
        name = plugin.__name__.rpartition(".")[2]
        return name, [
            FoundPlugin(Owner(name, str(plugin.__file__)), lambda: plugin, homes=lambda: [Path(str(plugin.__file__))])
        ]
    if inspect.isclass(plugin):
        name = str(getattr(plugin, "name", "")) or plugin.__name__.lower()
        file = inspect.getfile(plugin)
        return name, [FoundPlugin(Owner(name, file), lambda: _module_of(plugin), homes=lambda: [Path(file)])]
    if isinstance(plugin, Path):
        return plugin.stem, [of_path(plugin)]
    return str(plugin), []


def _module_of(kind: type[BaseModel]) -> ModuleType:
    """Return a plugin that registers one class."""
    made = ModuleType(f"{kind.__module__}_of_{kind.__name__}")
    hook = next(hook for base, hook in KINDS.items() if issubclass(kind, base))
    setattr(made, hook, hookimpl(specname=hook)(lambda: kind if hook == "register_settings" else [kind]))
    return made


def settings_for(record: PluginRecord, settings: Mapping[str, object]) -> dict[str, object]:
    """Return the tables of a plugin: `settings` as they are where they name tables, else as the table of what it contributes."""
    if settings and TABLES.issuperset(settings) and all(isinstance(each, Mapping) for each in settings.values()):
        return _enabling(record, settings)
    first = {each.split()[0]: each.split()[-1] for each in reversed(record.contributions)}
    if "module" in first:
        return _enabling(record, {"modules": {first["module"]: {**settings}}})
    if "source" in first:
        name = first["source"]
        return _enabling(record, {"sources": [name, "local"], "source": {name: {**settings}}})
    for word, table in (("DNS", "dns"), ("notifier", "notify"), ("service", "services")):
        if word in first:
            return _enabling(record, {table: {first[word]: {**settings}}})
    return {"plugins": {record.name: {**settings}}}


def _enabling(record: PluginRecord, tables: Mapping[str, object]) -> dict[str, object]:
    """Return tables that enable a plugin, whatever its contributions are called."""
    named = {name for table in tables.values() if isinstance(table, Mapping) for name in table}
    more: dict[str, object] = {} if record.name in named else {record.name: {}}
    plugins = tables.get("plugins", {})
    return {**tables, "plugins": {**(plugins if isinstance(plugins, Mapping) else {}), **more}}


class CheckLoader:
    """Loader of the settings of a check: with the core's settings that it needs, and a policy beside the plugin."""

    def __init__(self, base: Loader, policy: object) -> None:
        self._base = base
        self._policy = policy
        self.taken_out = False
        """Leave the modules out."""

    def __call__(self, layout: Layout) -> Loaded:
        """Load them. Raises `SettingsRefused`."""
        settings, registry = self._base(layout)
        record = PluginRecord(Owner("check", "the check of plugins"), enabled=True, plugin=self._policy)
        alone = left_alone(settings)
        entries = {} if self.taken_out else alone.entries
        return replace(alone, entries=entries), replace(registry, plugins=(*registry.plugins, record))


def left_alone(settings: Settings) -> Settings:
    """Return settings with which nobody beyond this machine is asked."""
    probe = ProbeSettings(timeout=PATIENCE, handshakes=1)
    core = CoreSettings.model_validate(
        {**settings.core.model_dump(), **ALONE, "probe": probe, "dane": {"check": False}}
    )
    kinds = {each.name: each for each in BUILT_IN}
    return replace(settings, core=core, rungs={name: SourceHandle(kinds[name]()) for name in core.sources})


def loader_of(found: Sequence[FoundPlugin]) -> Loader:
    """Return a loader that knows these plugins beside those that are installed."""
    return UnchangedSettings(lambda layout: load(layout, BUILT_IN, given=found))


def loaded_record(layout: Layout, name: str, found: Sequence[FoundPlugin]) -> tuple[PluginRecord | None, Registry]:
    """Load one plugin, with what registers its services; None: none has that name."""
    registry = Registry.load(layout, {name}, builtin_sources=BUILT_IN, given=found)
    return next((each for each in registry.plugins if each.name == name), None), registry


def classes_of(record: PluginRecord, registry: Registry) -> list[type]:
    """Return the classes that a plugin contributes."""
    kinds: Iterable[tuple[str, Mapping[str, type]]] = (
        ("module", registry.modules),
        ("service", registry.services),
        ("source", registry.sources),
        ("DNS solver", registry.dns_solvers),
        ("notifier", registry.notifiers),
    )
    return [known[name] for word, known in kinds for name in known if f"{word} {name}" in record.contributions]


def modules_of(settings: Settings, declaration: Declaration) -> list[str]:
    """Return the modules that a reload of a module's own service, or of a shared one, concerns."""
    if isinstance(declaration, Service):
        return [name for name, each in settings.modules.items() if declaration.instance in each.services]
    return [declaration.instance]


def restricted(loaded: Loaded, record: PluginRecord) -> Loaded:
    """Return the settings and plugins of an appliance without those of other plugins, which would be told of what is tried."""
    settings, registry = loaded
    own = {each.rpartition(" ")[2] for each in record.contributions}
    entries = {name: each for name, each in settings.entries.items() if each.plugin in own}
    used = {service for each in entries.values() if each.module for service in each.module.services}
    return replace(
        settings,
        entries=entries,
        services={name: each for name, each in settings.services.items() if name in own | used},
        dns={name: each for name, each in settings.dns.items() if each.plugin in own},
        plugins={name: each for name, each in settings.plugins.items() if name == record.name},
        notify={name: each for name, each in settings.notify.items() if each.plugin in own},
    ), replace(registry, plugins=tuple(each for each in registry.plugins if each.name == record.name))
