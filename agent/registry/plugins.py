"""Registry of the loaded plugins: which are installed, which work, and what they contribute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.contract.dns_solver import DnsSolver
from agent.contract.module import Module
from agent.contract.notifier import Notifier
from agent.contract.plugin_settings import PluginSettings
from agent.contract.service import Service
from agent.contract.source import Source
from agent.contract.version import DEPRECATED, Deprecation
from agent.errors.plugin import PluginError
from agent.registry.collecting import Collector
from agent.registry.contract_checks import SETTINGS
from agent.registry.discovery import candidates, culprits_of
from agent.registry.found_plugin import FoundPlugin
from agent.registry.guard import Guard
from agent.registry.plugin_record import PluginRecord
from agent.registry.registration import PluginCommands, commands_of
from agent.system.layout import Layout

if TYPE_CHECKING:
    import click

    from agent.contract.appliance import Appliance


@dataclass(frozen=True)
class Registry:
    """Contributions of the loaded plugins, by name."""

    modules: Mapping[str, type[Module]] = field(default_factory=dict)
    services: Mapping[str, type[Service]] = field(default_factory=dict)
    sources: Mapping[str, type[Source]] = field(default_factory=dict)
    dns_solvers: Mapping[str, type[DnsSolver]] = field(default_factory=dict)
    notifiers: Mapping[str, type[Notifier]] = field(default_factory=dict)
    settings: Mapping[str, type[PluginSettings]] = field(default_factory=dict)
    """Classes of ``[plugins.NAME]``, by plugin."""
    refused: Mapping[str, PluginError] = field(default_factory=dict)
    """Modules that a plugin registers, but that can't be used."""
    plugins: tuple[PluginRecord, ...] = ()
    guard: Guard = field(default_factory=Guard, repr=False)
    """What asks these plugins."""

    @classmethod
    def load(
        cls,
        layout: Layout,
        wanted: Iterable[str] | None,
        *,
        also: Iterable[str] | None = (),
        services: Iterable[str] = (),
        builtin_sources: Iterable[type[Source]] = (),
        deprecated: Mapping[str, Deprecation] = DEPRECATED,
        guard: Guard | None = None,
        given: Sequence[FoundPlugin] = (),
    ) -> Registry:
        """Load the plugins named in `wanted` (None: all) as enabled ones, those in `also` (None: all) without enabling them.

        Where these don't register all of `services`, others are loaded until one does, without enabling them either.
        `given`: plugins in the place of those that are installed under their names, or beside them.
        Never raises for what a plugin does: see `plugins`. Takes about 50 ms, which is `importlib.metadata`'s.
        """
        names = {each.owner.plugin for each in given}
        found = [*given, *(each for each in candidates(layout) if each.owner.plugin not in names)]
        collector = Collector(found, builtin_sources, guard or Guard(culprits_of(found)), deprecated)
        installed = {each.owner.plugin for each in collector.candidates}
        collector.load(installed if wanted is None else set(wanted), enabled=True)
        collector.load(installed if also is None else set(also), enabled=False)
        collector.load_services(set(services))
        plugins, found_by_kind = collector.end(), collector.by_kind
        return cls(
            modules=found_by_kind["module"],
            services=found_by_kind["service"],
            sources=found_by_kind["source"],
            dns_solvers=found_by_kind["DNS solver"],
            notifiers=found_by_kind["notifier"],
            settings=found_by_kind[SETTINGS],
            refused=collector.refused,
            plugins=plugins,
            guard=collector.guard,
        )

    @property
    def enabled_plugins(self) -> dict[str, object]:
        """Return the Python modules whose hooks are asked, by name of the plugin; one that has two names is asked once."""
        found: dict[str, object] = {}
        for each in self.plugins:
            if each.enabled and each.plugin is not None and not any(each.plugin is other for other in found.values()):
                found[each.name] = each.plugin
        return found

    @property
    def broken(self) -> dict[str, PluginError]:
        """Return the first error of each broken plugin by its name."""
        return {each.name: each.errors[0] for each in self.plugins if each.errors}

    def commands(self, make_group: Callable[[str], click.Group], appliance: Appliance) -> list[PluginCommands]:
        """Ask each enabled plugin for its commands; those that have none are left out."""
        asked = [
            commands_of(self.guard, record, make_group, appliance)
            for record in self.plugins
            if record.name in self.enabled_plugins
        ]
        return [each for each in asked if each.error or (each.group and each.group.commands)]
