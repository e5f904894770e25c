"""Loading of `Settings` from the merged files: plugins are loaded, every table is validated by its class."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, StrictBool, StrictStr, ValidationError

from agent.config.files import SettingsFile, SettingsKey, Tree, read_settings
from agent.config.problems import INSTANCE_TABLES, OWN_TABLES, problem, source_key, translate, unknown
from agent.config.secret_keys import Secrets
from agent.config.settings import CoreSettings, ModuleEntry, Settings
from agent.contract.module import Module
from agent.contract.service import Service
from agent.contract.source import Source
from agent.errors.plugin import ModuleMissing, ModuleRaised, PluginError
from agent.errors.settings import SettingsProblem, SettingsRefused
from agent.errors.wording import reason_of
from agent.registry.contract_checks import CORE_KEYS, NAME, NAME_RULE
from agent.registry.discovery import FoundPlugin
from agent.registry.plugins import Registry
from agent.system.layout import Layout

M = TypeVar("M", bound=BaseModel)


class _ModuleHeader(BaseModel):
    """Keys of the core in ``[modules.NAME]``."""

    enabled: StrictBool = True
    plugin: StrictStr | None = None


class _Crashed(Exception):
    """Exception of a plugin's validator that is not a ValueError."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(reason_of(error))


@dataclass(frozen=True, slots=True)
class WantedPlugins:
    """Plugins that the settings name."""

    enabled: frozenset[str]
    disabled: frozenset[str]
    """Loaded so that titles and services are known, but not enabled."""
    services: frozenset[str] = frozenset()
    """Services that have a table: whatever registers them is loaded, also where no module of it is left."""


def load(
    layout: Layout,
    builtin_sources: Iterable[type[Source]],
    files: Sequence[SettingsFile] | None = None,
    given: Sequence[FoundPlugin] = (),
) -> tuple[Settings, Registry]:
    """Read the files, load the plugins that they name, validate. Raises `SettingsRefused` with every error.

    `files`: what was read earlier, to be used instead of what is on disk. `given`: plugins beside those that are installed.
    """
    tree = read_settings(layout, files)
    names = wanted(tree)
    registry = Registry.load(
        layout,
        names.enabled,
        also=names.disabled,
        services=names.services,
        builtin_sources=builtin_sources,
        given=given,
    )
    return build(tree, registry, layout), registry


def load_all(layout: Layout, builtin_sources: Iterable[type[Source]]) -> Registry:
    """Load every installed plugin, to list them; those that the settings do not name stay off."""
    names = wanted(read_settings(layout))
    return Registry.load(layout, names.enabled, also=None, builtin_sources=builtin_sources)


def wanted(tree: Tree) -> WantedPlugins:
    """Return the plugins to load; never raises, whatever the files hold."""
    on: set[str] = set()
    off: set[str] = set()
    for name, table in _tables(tree, "modules").items():
        plugin = table.get("plugin", name) if isinstance(table, dict) else name
        enabled = not (isinstance(table, dict) and table.get("enabled") is False)
        (on if enabled else off).add(str(plugin))
    for key in ("plugins", "sources"):
        on.update(_texts(tree.values.get(key)))
    for kind in ("services", "source", "dns"):
        on |= set(_tables(tree, kind))
    on |= OWN_TABLES & set(tree.values)
    return WantedPlugins(frozenset(on), frozenset(off - on), frozenset(_tables(tree, "services")))


def build(tree: Tree, registry: Registry, layout: Layout) -> Settings:
    """Validate every table. Raises `SettingsRefused` with every error, each once."""
    validation = _Validation(tree, registry, layout)
    settings = validation.settings()
    if settings is None or validation.problems:
        raise SettingsRefused(tuple(dict.fromkeys(validation.problems)))
    return settings


def _tables(tree: Tree, kind: str) -> dict[str, Any]:
    tables = tree.values.get(kind, {})
    return tables if isinstance(tables, dict) else {}


def _texts(value: Any) -> list[str]:
    """Return the texts of a list that has not been validated yet."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


class _Validation:
    """Validation of one tree, with the problems found."""

    def __init__(self, tree: Tree, registry: Registry, layout: Layout) -> None:
        self.tree = tree
        self.registry = registry
        self.layout = layout
        self.problems: list[SettingsProblem] = []
        self.secrets = Secrets(layout, tree.origins, self.problems)

    def settings(self) -> Settings | None:
        """Return the settings. They are refused if this is None, or `problems` is not empty."""
        core = self._core()
        self._refuse_other_values()
        entries = {name: self._entry(name, table) for name, table in sorted(_tables(self.tree, "modules").items())}
        found = {name: entry for name, entry in entries.items() if entry}
        services = self._services(
            {service for each in found.values() if each.module for service in each.module.services}
        )
        self._refuse_contradictions(found, services)
        sources = self._sources()
        solvers = self._instances("dns", "DNS solver", self.registry.dns_solvers)
        rungs = self._rungs(sources)
        self._check_plugins()
        if core is None:
            return None
        secret_files = tuple(self.secrets.files)
        return Settings(core, found, services, rungs, solvers, self.tree.origins, secret_files, self.tree.files)

    def note(self, key: SettingsKey, cause: str) -> None:
        """Add a problem with `key`."""
        self.problems.append(problem(self.tree.origins, key, cause))

    def _validate(
        self, model: type[M], key: SettingsKey, raw: Mapping[str, Any], also: Collection[str] = ()
    ) -> M | None:
        """Return the table at `key` as `model`; None: its problems were added. Raises `_Crashed`."""
        values = self.secrets.resolve(model, key, raw)
        try:
            return model.model_validate(values)
        except ValidationError as error:
            for place, cause in translate(error, model, key, values, also=also):
                self.note(place, cause)
        except (Exception, SystemExit) as error:
            raise _Crashed(error) from error
        return None

    def _core(self) -> CoreSettings | None:
        others = {*INSTANCE_TABLES, *OWN_TABLES}
        raw = {key: value for key, value in self.tree.values.items() if key not in others}
        return self._validate(CoreSettings, (), raw, others)

    def _refuse_other_values(self) -> None:
        for kind in INSTANCE_TABLES:
            if not isinstance(self.tree.values.get(kind, {}), dict):
                self.note((kind,), f"must be a table of tables: [{kind}.NAME]")
            for name, table in _tables(self.tree, kind).items():
                if not isinstance(table, dict):
                    self.note((kind, name), f"must be a table: [{kind}.{name}]")

    def _entry(self, name: str, table: Any) -> ModuleEntry | None:
        if not isinstance(table, dict):
            return None
        key: SettingsKey = ("modules", name)
        if not NAME.fullmatch(name):
            self.note(key, f"the name of a module {NAME_RULE}")
        header = self._validate(_ModuleHeader, key, {each: table[each] for each in CORE_KEYS & set(table)})
        if header is None:
            return None
        plugin = header.plugin or name
        kind = self.registry.modules.get(plugin)
        title = kind.heading() if kind else name
        if not header.enabled:
            return ModuleEntry(name, plugin, title, enabled=False)
        if kind is None:
            return self._without_class(key, plugin, explicit=header.plugin is not None)
        return self._with_class(key, kind, table)

    def _without_class(self, key: SettingsKey, plugin: str, *, explicit: bool) -> ModuleEntry | None:
        """Return an entry with the error of a broken plugin, which costs its own modules only; an unknown name is a problem."""
        name = str(key[1])
        error = self._why_broken(name, plugin)
        if error is not None:
            return ModuleEntry(name, plugin, name, enabled=True, error=error)
        installed = {each.name for each in self.registry.plugins} | set(self.registry.modules)
        record = next((each for each in self.registry.plugins if each.name == plugin), None)
        place = (*key, "plugin") if explicit else key
        if record is None:
            self.note(place, unknown(f'no plugin is named "{plugin}"', plugin, installed, "installed"))
        else:
            modules = ", ".join(record.contributions) or "nothing"
            self.note(place, f'the plugin "{plugin}" registers no module of that name; it registers: {modules}')
        return None

    def _why_broken(self, name: str, plugin: str) -> PluginError | None:
        known = self.registry.refused.get(plugin) or self.registry.broken.get(plugin)
        if known:
            return known
        listed = _texts(self.tree.values.get("plugins"))
        broken = [each for each in self.registry.broken if each in listed]
        return ModuleMissing(name, plugin, broken) if broken else None

    def _with_class(self, key: SettingsKey, kind: type[Module], table: Mapping[str, Any]) -> ModuleEntry | None:
        name = str(key[1])
        own = {each: value for each, value in table.items() if each not in CORE_KEYS}
        try:
            module = self._validate(kind, key, own, CORE_KEYS)
        except _Crashed as crash:
            error = ModuleRaised(name, "the validation of its settings", crash.error)
            return ModuleEntry(name, kind.name, kind.heading(), enabled=True, error=error)
        if module is None:
            return None
        self._check_choices(key, module)
        return ModuleEntry(name, kind.name, kind.heading(), enabled=True, module=module)

    def _check_choices(self, key: SettingsKey, module: Module) -> None:
        """Check settings whose allowed values depend on the plugin and on what is installed."""
        if module.key_type is not None and module.key_type not in module.key_types:
            self.note((*key, "key_type"), f"this service accepts only: {', '.join(module.key_types)}")
        for source in module.sources or ():
            if source not in self.registry.sources:
                self.note((*key, "sources"), self._no_source(source))

    def _services(self, used: set[str]) -> dict[str, Any]:
        """Return the configured services, and those that modules use with defaults."""
        configured = self._instances("services", "service", self.registry.services, left=self._left_services())
        for name in sorted(used - set(_tables(self.tree, "services"))):
            configured[name] = self._instance(("services", name), self.registry.services[name], {})
        return {name: each for name, each in sorted(configured.items()) if each is not None}

    def _refuse_contradictions(self, entries: Mapping[str, ModuleEntry], services: Mapping[str, Service]) -> None:
        """Add contradictions between modules that share a service; one that no module uses isn't asked."""
        for name, service in services.items():
            sharing = {
                each.name: each.module for each in entries.values() if each.module and name in each.module.services
            }
            if not sharing:
                continue
            try:
                for module, cause in service.contradictions(sharing):
                    self.note(("modules", module), cause)
            except (Exception, SystemExit) as error:
                self.note(("services", name), f"its plugin failed while comparing its modules: {reason_of(error)}")

    def _left_services(self) -> frozenset[str]:
        """Return services that were deployed to and that no plugin registers any more: their tables are left over."""
        tables = _tables(self.tree, "services")
        return frozenset(
            name
            for name in tables
            if name not in self.registry.services and NAME.fullmatch(name) and self.layout.service(name).state.is_dir()
        )

    def _instances(
        self, table: str, word: str, known: Mapping[str, type[M]], left: Collection[str] = ()
    ) -> dict[str, Any]:
        """Return what the tables of one kind configure. `left`: names that are no mistake though nothing registers them."""
        made: dict[str, Any] = {}
        for name, raw in _tables(self.tree, table).items():
            if name in left:
                continue
            if name not in known:
                self.note((table, name), self._unknown(word, name, known))
            elif isinstance(raw, dict):
                made[name] = self._instance((table, name), known[name], raw)
        return {name: each for name, each in made.items() if each is not None}

    def _instance(self, key: SettingsKey, model: type[M], raw: Mapping[str, Any]) -> M | None:
        try:
            return self._validate(model, key, raw)
        except _Crashed as crash:
            self.note(key, f"its plugin failed while reading this table: {crash}")
        return None

    def _sources(self) -> dict[str, Any]:
        """Return the sources that a table configures, whether or not they are in the ladder."""
        for name in OWN_TABLES & set(_tables(self.tree, "source")):
            self.note(("source", name), f"has a table of its own: write [{name}]")
        made = self._instances("source", "source", self.registry.sources)
        for name in OWN_TABLES & set(self.tree.values):
            raw = self.tree.values[name]
            if not isinstance(raw, dict):
                self.note((name,), f"must be a table: [{name}]")
            elif instance := self._instance((name,), self.registry.sources[name], raw):
                made[name] = instance
        return made

    def _rungs(self, configured: Mapping[str, Any]) -> dict[str, Source]:
        rungs: dict[str, Source] = {}
        default = CoreSettings.model_fields["sources"].default
        for name in _texts(self.tree.values.get("sources", list(default))):
            kind = self.registry.sources.get(name)
            if kind is None:
                self.note(("sources",), self._no_source(name))
            elif name in _tables(self.tree, "source") or (name in OWN_TABLES and name in self.tree.values):
                rungs |= {name: configured[name]} if name in configured else {}
            elif made := self._instance(source_key(name), kind, {}):
                rungs[name] = made
        return rungs

    def _check_plugins(self) -> None:
        installed = {each.name for each in self.registry.plugins}
        for name in _texts(self.tree.values.get("plugins")):
            if name not in installed:
                self.note(("plugins",), unknown(f'no plugin is named "{name}"', name, installed, "installed"))

    def _no_source(self, name: str) -> str:
        return self._unknown("source", name, self.registry.sources)

    def _unknown(self, word: str, name: str, known: Mapping[str, object]) -> str:
        text = unknown(f'no {word} is named "{name}"', name, known, "known")
        broken = ", ".join(sorted(self.registry.broken))
        return f"{text}; broken plugins: {broken} (chainwright plugins)" if broken else text
