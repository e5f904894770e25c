"""Tables of services, those that modules use with defaults, and what a service says of modules that contradict each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from agent.config.settings import ModuleEntry
from agent.config.table_validation import TableValidation
from agent.config.wanted_plugins import tables_of
from agent.contract.module import Module
from agent.contract.service import Service
from agent.errors.plugin import STAYS, ModuleRaised, PluginError, PluginHangs
from agent.registry.answers import WrongAnswer, members, text
from agent.registry.contract_checks import NAME
from agent.registry.guard import Asked, PluginFailed
from agent.registry.places import place_of_answer


class ServiceTables:
    """Tables ``[services.NAME]`` of one tree."""

    def __init__(self, tables: TableValidation) -> None:
        self._tables = tables

    def services(self, used: set[str]) -> dict[str, Any]:
        """Return the configured services, and those that modules use with defaults."""
        configured = self._tables.instances(
            "services", "service", self._tables.registry.services, left=self._left_services()
        )
        for name in sorted(used - set(tables_of(self._tables.tree, "services"))):
            configured[name] = self._tables.instance(("services", name), self._tables.registry.services[name], {})
        return {name: each for name, each in sorted(configured.items()) if each is not None}

    def without_failed(self, entries: Mapping[str, ModuleEntry]) -> dict[str, ModuleEntry]:
        """Return the entries; those of modules that share a service which can't be used say why."""
        failed = {str(key[1]): error for key, error in self._tables.failures.items() if key[0] == "services"}
        return {name: _failed(entry, failed) for name, entry in entries.items()}

    def contradicting(
        self, entries: Mapping[str, ModuleEntry], services: Mapping[str, Service]
    ) -> dict[str, ModuleEntry]:
        """Add contradictions between modules that share a service; one that no module uses isn't asked."""
        found = dict(entries)
        for service in services.values():
            found |= self._compared(service, found)
        return found

    def _compared(self, service: Service, entries: Mapping[str, ModuleEntry]) -> dict[str, ModuleEntry]:
        """Return the entries, with errors of those modules that keep the service from comparing them, or of all of them.

        A module that raises when the service asks it is left out, and the others are compared without it.
        """
        sharing = {
            name: each.module for name, each in entries.items() if each.module and service.name in each.module.services
        }
        try:
            for module, cause in self._contradictions(service, sharing) if sharing else ():
                self._tables.note(("modules", module), cause)
        except PluginFailed as error:
            raising = [name for name in sharing if self._is_to_blame(error, service, sharing[name])]
            place = error.place or place_of_answer(type(service), "contradictions")
            found = dict(entries)
            for name in raising or sharing:
                subject = name if raising else f"service {service.name}"
                told = ModuleRaised(subject, "contradictions", error.error, place)
                found[name] = replace(entries[name], module=None, error=told)
            return self._compared(service, found)
        except PluginHangs as error:
            hanging = [name for name in sharing if self._is_to_blame(error, service, sharing[name])]
            if not hanging:
                return {name: _failed(entry, {service.name: error}) for name, entry in entries.items()}
            found = dict(entries)
            for name in hanging:
                hung = PluginHangs(error.plugin, error.hook, error.seconds, name, STAYS, error.place)
                found[name] = replace(entries[name], module=None, error=hung)
            return self._compared(service, found)
        return dict(entries)

    def _is_to_blame(self, failed: PluginFailed | PluginHangs, service: Service, module: Module) -> bool:
        """Whether it was raised, or hung, in the plugin of a module that isn't the service's own."""
        plugin = self._tables.guard.plugin_of(type(module))
        return plugin == failed.plugin != self._tables.guard.plugin_of(type(service))

    def _contradictions(self, service: Service, sharing: Mapping[str, Module]) -> list[tuple[str, str]]:
        guard = self._tables.guard
        plugin, reached = guard.plugin_of(type(service)), {guard.plugin_of(type(each)) for each in sharing.values()}
        asked = Asked(
            plugin, "contradictions", f"service {service.name}", STAYS, reached=tuple(sorted(reached - {plugin}))
        )
        return guard.call(
            asked, lambda: [_pair(each, sharing) for each in members(service.contradictions(sharing), (tuple,))]
        )

    def _left_services(self) -> frozenset[str]:
        """Return services that were deployed to and that no plugin registers any more: their tables are left over."""
        tables = tables_of(self._tables.tree, "services")
        return frozenset(
            name
            for name in tables
            if name not in self._tables.registry.services
            and NAME.fullmatch(name)
            and self._tables.layout.service(name).state.is_dir()
        )


def _failed(entry: ModuleEntry, services: Mapping[str, PluginError]) -> ModuleEntry:
    """Return an entry, with the error of one of its services where that can't be used."""
    error = next((services[each] for each in entry.module.services if each in services), None) if entry.module else None
    return replace(entry, module=None, error=error) if error else entry


def _pair(found: tuple[object, ...], sharing: Collection[str]) -> tuple[str, str]:
    """Return a module and why it is contradicted, as a service says. Raises `WrongAnswer`."""
    if len(found) != 2 or found[0] not in sharing:
        raise WrongAnswer("it holds something else than pairs of a module that shares the service, and a reason")
    return str(found[0]), text(found[1])
