"""Loading of plugins, each in its own try: which are installed, which work, and what they contribute."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy
from pydantic import BaseModel

from agent.contract.module import Module
from agent.contract.notifier import Notifier
from agent.contract.plugin_settings import PluginSettings
from agent.contract.service import Service
from agent.contract.source import DnsSolver, Source
from agent.contract.version import DEPRECATED, Deprecation
from agent.errors.plugin import DISABLED, PluginError, PluginHangs
from agent.errors.plugin_loading import (
    COMMANDS_MISSING,
    CommandsFailed,
    DuplicateName,
    LoadError,
    RegistrationFailed,
    ServiceUnknown,
)
from agent.registry.answers import members
from agent.registry.contract_checks import (
    CONTRIBUTIONS,
    SETTINGS,
    Owner,
    check_class,
    check_hooks,
    classes,
    implementations,
)
from agent.registry.discovery import candidates, culprits_of, load
from agent.registry.found_plugin import FoundPlugin
from agent.registry.guard import Asked, Guard, PluginFailed
from agent.registry.hook_manager import HookManager
from agent.registry.versions import check_version, notices_of
from agent.system.layout import Layout

if TYPE_CHECKING:
    import click

    from agent.contract.appliance import Appliance

T = TypeVar("T")
BUILT_IN = "the core"
MOST_CLASSES = 1000
"""That one plugin may register of a kind."""


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """Installed plugin, as ``chainwright plugins`` lists it."""

    owner: Owner
    enabled: bool
    errors: tuple[PluginError, ...] = ()
    contributions: tuple[str, ...] = ()
    """What of it works: ``module mail``."""
    plugin: object | None = field(default=None, repr=False)
    """The Python module, when all of its hooks can be asked."""
    notices: tuple[str, ...] = ()
    """Sentences about what works now, and is to go."""

    @property
    def name(self) -> str:
        """Name of its entry point, or stem of its file."""
        return self.owner.plugin

    @property
    def state(self) -> str:
        """``on``, ``off`` (installed, not enabled) or ``broken`` (at least a part of it)."""
        if self.errors:
            return "broken"
        return "on" if self.enabled else "off"

    @property
    def home(self) -> Path | None:
        """The directory of its Python file: ``templates/`` may be in it."""
        file = getattr(self.plugin, "__file__", None)
        return Path(file).parent if file else None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "name": self.name,
            "origin": self.owner.origin,
            "state": self.state,
            "contributions": list(self.contributions),
            "notices": list(self.notices),
            "problems": [error.problem.to_json() for error in self.errors],
        }


@dataclass(frozen=True, slots=True)
class PluginCommands:
    """Commands that one plugin adds to ``chainwright``."""

    plugin: str
    group: click.Group | None
    error: PluginError | None = None


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
        loading = _Loading(found, builtin_sources, guard or Guard(culprits_of(found)), deprecated)
        installed = {each.owner.plugin for each in loading.candidates}
        loading.load(installed if wanted is None else set(wanted), enabled=True)
        loading.load(installed if also is None else set(also), enabled=False)
        loading.load_services(set(services))
        return loading.registry()

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
            _commands(self.guard, record, make_group, appliance)
            for record in self.plugins
            if record.name in self.enabled_plugins
        ]
        return [each for each in asked if each.error or (each.group and each.group.commands)]


def _commands(
    guard: Guard, record: PluginRecord, make_group: Callable[[str], click.Group], appliance: Appliance
) -> PluginCommands:
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


Contribution = tuple[str, type[BaseModel]]
"""Hook and class."""


class _Loading:
    """Collector of contributions; the first plugin with a name keeps it."""

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
            _ask(self.guard, owner, "api", partial(check_version, owner, plugin))
            found = _contributions(self.guard, owner, plugin)
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

    def registry(self) -> Registry:
        """Return what was collected."""
        self._refuse_unserved()
        everything = enumerate(self.candidates)
        return Registry(
            modules=self.by_kind["module"],
            services=self.by_kind["service"],
            sources=self.by_kind["source"],
            dns_solvers=self.by_kind["DNS solver"],
            notifiers=self.by_kind["notifier"],
            settings=self.by_kind[SETTINGS],
            refused=self.refused,
            plugins=tuple(self.records.get(index) or _not_enabled(each) for index, each in everything),
            guard=self.guard,
        )


def _not_enabled(candidate: FoundPlugin) -> PluginRecord:
    return PluginRecord(candidate.owner, enabled=False, errors=(candidate.problem,) if candidate.problem else ())


def _name(owner: Owner, each: Any) -> str:
    if issubclass(each, PluginSettings):
        return owner.plugin
    return each.name if isinstance(each.name, str) else ""


def _contributions(guard: Guard, owner: Owner, plugin: object) -> list[Contribution]:
    """Ask a plugin for what it contributes. Raises `LoadError`, `PluginHangs`."""

    def register() -> pluggy.HookRelay:
        hash(plugin)  # pluggy keeps plugins in sets
        return _manager(owner, plugin).hook

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
