"""Collection of what plugins contribute, each plugin in its own try; the first with a name keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from agent.contract.plugin_settings import PluginSettings
from agent.contract.source import Source
from agent.contract.version import Deprecation
from agent.errors.plugin import PluginError
from agent.errors.plugin_loading import DuplicateName, LoadError, ServiceUnknown
from agent.registry.contract_checks import CONTRIBUTIONS, SETTINGS, Owner, check_class
from agent.registry.discovery import load
from agent.registry.found_plugin import FoundPlugin
from agent.registry.guard import Guard
from agent.registry.plugin_record import PluginRecord
from agent.registry.registration import Contribution, contributions_of
from agent.registry.versions import notices_of

BUILT_IN = "the core"


class Collector:
    """Collector of contributions."""

    def __init__(
        self,
        found: list[FoundPlugin],
        builtin_sources: Iterable[type[Source]],
        guard: Guard,
        deprecated: Mapping[str, Deprecation],
    ) -> None:
        self.candidates = found
        self.guard = guard
        self.deprecated = deprecated
        self.records: dict[int, PluginRecord] = {}
        self.by_kind: dict[str, dict[str, type[Any]]] = {kind: {} for kind, _ in CONTRIBUTIONS.values()}
        self.owners: dict[tuple[str, str], Owner] = {}
        self.refused: dict[str, PluginError] = {}
        for source in builtin_sources:
            self.by_kind["source"][source.name] = source

    def load(self, names: set[str], *, enabled: bool) -> None:
        """Load those of `names` that are installed, then what registers the services that their modules name."""
        while names:
            for index, candidate in enumerate(self.candidates):
                if candidate.owner.plugin in names and index not in self.records:
                    self.records[index] = self._record(candidate, enabled=enabled)
            names = self._missing_services() & self._not_loaded()

    def load_services(self, names: set[str]) -> None:
        """Load one plugin after the other until all of these services are registered, or none is left."""
        for index, candidate in enumerate(self.candidates):
            if names <= set(self.by_kind["service"]):
                return
            if index not in self.records:
                self.records[index] = self._record(candidate, enabled=False)

    def _missing_services(self) -> set[str]:
        used = {service for module in self.by_kind["module"].values() for service in module.services}
        return used - set(self.by_kind["service"])

    def _not_loaded(self) -> set[str]:
        return {each.owner.plugin for index, each in enumerate(self.candidates) if index not in self.records}

    def _record(self, candidate: FoundPlugin, *, enabled: bool) -> PluginRecord:
        owner = candidate.owner
        try:
            self._refuse_a_second(owner)
            plugin = load(candidate, self.guard)
            found = contributions_of(self.guard, owner, plugin)
            self._refuse_taken_names(owner, found)
        except PluginError as error:
            return PluginRecord(owner, enabled, (error,))
        errors: list[PluginError] = []
        kept = [text for each in found if (text := self._keep(owner, each, errors))]
        notices = tuple(notices_of(plugin, [each for _, each in found], self.deprecated))
        return PluginRecord(owner, enabled, tuple(errors), tuple(kept), plugin, notices)

    def _refuse_a_second(self, owner: Owner) -> None:
        first = next((each.owner for each in self.records.values() if each.name == owner.plugin), None)
        if first:
            raise DuplicateName(owner.plugin, owner.origin, "plugin", owner.plugin, first.origin)

    def _refuse_taken_names(self, owner: Owner, found: list[Contribution]) -> None:
        """Two plugins may register the very same class, as one that brings a service for another does."""
        own: dict[tuple[str, str], type[BaseModel]] = {}
        for hook, each in found:
            kind, name = CONTRIBUTIONS[hook][0], _name(owner, each)
            known = self.by_kind[kind].get(name)
            if known is not None and known is not each:
                other = self.owners.get((kind, name))
                raise DuplicateName(owner.plugin, owner.origin, kind, name, str(other or BUILT_IN))
            if name and own.setdefault((kind, name), each) is not each:
                raise DuplicateName(owner.plugin, owner.origin, kind, name, str(owner))

    def _keep(self, owner: Owner, contribution: Contribution, errors: list[PluginError]) -> str:
        hook, each = contribution
        kind, name = CONTRIBUTIONS[hook][0], _name(owner, each)
        try:
            check_class(owner, hook, each)
        except LoadError as error:
            errors.append(error)
            if kind == "module":
                self.refused[name or owner.plugin] = error
            return ""
        self.by_kind[kind][name] = each
        self.owners.setdefault((kind, name), owner)
        return SETTINGS if kind == SETTINGS else f"{kind} {name}"

    def _refuse_unserved(self) -> None:
        """Now that all are loaded: a module whose service no plugin registers can't be deployed."""
        known = sorted(self.by_kind["service"])
        for name, module in list(self.by_kind["module"].items()):
            missing = next((each for each in module.services if each not in known), None)
            if missing is None:
                continue
            owner = self.owners["module", name]
            error = ServiceUnknown(owner.plugin, owner.origin, name, missing, known)
            del self.by_kind["module"][name]
            self.refused[name] = error
            self._mark(owner, error, f"module {name}")

    def _mark(self, owner: Owner, error: PluginError, lost: str) -> None:
        for index, record in self.records.items():
            if record.owner == owner:
                kept = tuple(each for each in record.contributions if each != lost)
                self.records[index] = replace(record, errors=(*record.errors, error), contributions=kept)

    def end(self) -> tuple[PluginRecord, ...]:
        """Leave out what can't be used now that all are loaded. Return every plugin that is installed."""
        self._refuse_unserved()
        return tuple(self.records.get(index) or _not_enabled(each) for index, each in enumerate(self.candidates))


def _not_enabled(candidate: FoundPlugin) -> PluginRecord:
    return PluginRecord(candidate.owner, enabled=False, errors=(candidate.problem,) if candidate.problem else ())


def _name(owner: Owner, each: Any) -> str:
    if issubclass(each, PluginSettings):
        return owner.plugin
    return each.name if isinstance(each.name, str) else ""
