"""Loading of `Settings` from the merged files: plugins are loaded, every table is validated by its class."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, StrictBool, StrictStr, ValidationError

from agent.config.files import SettingsFile, SettingsKey, Tree, read_settings
from agent.config.problems import INSTANCE_TABLES, OWN_TABLES, problem, source_key, translate, unknown
from agent.config.secret_keys import Secrets
from agent.config.settings import CoreSettings, ModuleEntry, NotifierEntry, PluginEntry, Settings
from agent.config.wanted_plugins import tables_of, texts, wanted
from agent.contract.module import Module
from agent.contract.notifier import Notifier
from agent.contract.plugin_settings import PluginSettings
from agent.contract.service import Service
from agent.contract.source import Source
from agent.errors.plugin import ModuleMissing, ModuleRaised, NothingRegistered, PluginError
from agent.errors.settings import SettingsProblem, SettingsRefused
from agent.errors.wording import reason_of
from agent.registry.contract_checks import CORE_KEYS, NAME, NAME_RULE, PLUGIN_KEYS
from agent.registry.discovery import FoundPlugin
from agent.registry.plugins import Registry
from agent.system.layout import Layout

M = TypeVar("M", bound=BaseModel)


class _PluginHeader(BaseModel):
    """Keys of the core in ``[plugins.NAME]``."""

    enabled: StrictBool = True


class _InstanceHeader(_PluginHeader):
    """Keys of the core in ``[modules.NAME]`` and ``[notify.NAME]``."""

    plugin: StrictStr | None = None


class _Crashed(Exception):
    """Exception of a plugin's validator that is not a ValueError."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(reason_of(error))


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


def build(tree: Tree, registry: Registry, layout: Layout) -> Settings:
    """Validate every table. Raises `SettingsRefused` with every error, each once."""
    validation = _Validation(tree, registry, layout)
    settings = validation.settings()
    if settings is None or validation.problems:
        raise SettingsRefused(tuple(dict.fromkeys(validation.problems)))
    return settings


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
        entries = {name: self._entry(name, table) for name, table in sorted(tables_of(self.tree, "modules").items())}
        found = {name: entry for name, entry in entries.items() if entry}
        services = self._services(
            {service for each in found.values() if each.module for service in each.module.services}
        )
        self._refuse_contradictions(found, services)
        sources = self._sources()
        solvers = self._instances("dns", "DNS solver", self.registry.dns_solvers)
        rungs = self._rungs(sources)
        plugins, notify = self._plugins(), self._notify()
        if core is None:
            return None
        return Settings(
            core,
            found,
            services,
            rungs,
            solvers,
            plugins,
            notify,
            self.tree.origins,
            tuple(self.secrets.files),
            self.tree.files,
        )

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
            value = self.tree.values.get(kind, {})
            if kind == "plugins" and isinstance(value, list):
                lines = ", ".join(f"[plugins.{name}]" for name in texts(value))
                self.note(
                    (kind,), f"is a table for each plugin, no list{'; write in its place: ' if lines else ''}{lines}"
                )
            elif not isinstance(value, dict):
                self.note((kind,), f"must be a table of tables: [{kind}.NAME]")
            for name, table in tables_of(self.tree, kind).items():
                if not isinstance(table, dict):
                    self.note((kind, name), f"must be a table: [{kind}.{name}]")

    def _entry(self, name: str, table: Any) -> ModuleEntry | None:
        if not isinstance(table, dict):
            return None
        key: SettingsKey = ("modules", name)
        if not NAME.fullmatch(name):
            self.note(key, f"the name of a module {NAME_RULE}")
        header = self._validate(_InstanceHeader, key, _part(table, CORE_KEYS))
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
        record = next((each for each in self.registry.plugins if each.name == plugin), None)
        place = (*key, "plugin") if explicit else key
        if record is None:
            self.note(place, self._no_plugin(plugin, self.registry.modules))
        elif not record.contributions:
            error = NothingRegistered(record.name, record.owner.origin, name)
            return ModuleEntry(name, plugin, name, enabled=True, error=error)
        else:
            modules = ", ".join(record.contributions)
            self.note(place, f'the plugin "{plugin}" registers no module of that name; it registers: {modules}')
        return None

    def _why_broken(self, name: str, plugin: str) -> PluginError | None:
        known = self.registry.refused.get(plugin) or self.registry.broken.get(plugin)
        if known:
            return known
        named = tables_of(self.tree, "plugins")
        broken = [each for each in self.registry.broken if each in named]
        return ModuleMissing(name, plugin, broken) if broken else None

    def _with_class(self, key: SettingsKey, kind: type[Module], table: Mapping[str, Any]) -> ModuleEntry | None:
        name = str(key[1])
        try:
            module = self._validate(kind, key, _part(table, set(table) - CORE_KEYS), CORE_KEYS)
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
        for name in sorted(used - set(tables_of(self.tree, "services"))):
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
        tables = tables_of(self.tree, "services")
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
        for name, raw in tables_of(self.tree, table).items():
            if name in left:
                continue
            if name not in known:
                self.note((table, name), self._unknown(word, name, known))
            elif isinstance(raw, dict):
                made[name] = self._instance((table, name), known[name], raw)
        return {name: each for name, each in made.items() if each is not None}

    def _instance(
        self, key: SettingsKey, model: type[M], raw: Mapping[str, Any], also: Collection[str] = ()
    ) -> M | None:
        try:
            return self._validate(model, key, raw, also)
        except _Crashed as crash:
            self.note(key, f"its plugin failed while reading this table: {crash}")
        return None

    def _sources(self) -> dict[str, Any]:
        """Return the sources that a table configures, whether or not they are in the ladder."""
        for name in OWN_TABLES & set(tables_of(self.tree, "source")):
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
        for name in texts(self.tree.values.get("sources", list(default))):
            kind = self.registry.sources.get(name)
            if kind is None:
                self.note(("sources",), self._no_source(name))
            elif name in tables_of(self.tree, "source") or (name in OWN_TABLES and name in self.tree.values):
                rungs |= {name: configured[name]} if name in configured else {}
            elif made := self._instance(source_key(name), kind, {}):
                rungs[name] = made
        return rungs

    def _plugins(self) -> dict[str, PluginEntry]:
        """Return the settings of plugins as a whole: of those with a table, and of those that are enabled by another one."""
        tables = tables_of(self.tree, "plugins")
        enabled = {each.name for each in self.registry.plugins if each.enabled}
        names = sorted({*tables, *(set(self.registry.settings) & enabled)})
        entries = {name: self._plugin(name, tables.get(name, {})) for name in names}
        return {name: entry for name, entry in entries.items() if entry}

    def _plugin(self, name: str, table: Any) -> PluginEntry | None:
        key: SettingsKey = ("plugins", name)
        if name not in {each.name for each in self.registry.plugins}:
            self.note(key, self._no_plugin(name))
            return None
        header = self._validate(_PluginHeader, key, _part(table, PLUGIN_KEYS)) if isinstance(table, dict) else None
        if header is None or not header.enabled or name in self.registry.broken:
            return PluginEntry(enabled=False) if header and not header.enabled else None
        kind = self.registry.settings.get(name, PluginSettings)
        made = self._instance(key, kind, _part(table, set(table) - PLUGIN_KEYS), PLUGIN_KEYS)
        return PluginEntry(enabled=True, settings=made) if made else None

    def _notify(self) -> dict[str, NotifierEntry]:
        tables = sorted(tables_of(self.tree, "notify").items())
        entries = {name: self._notifier(name, table) for name, table in tables if isinstance(table, dict)}
        return {name: entry for name, entry in entries.items() if entry}

    def _notifier(self, name: str, table: Mapping[str, Any]) -> NotifierEntry | None:
        key: SettingsKey = ("notify", name)
        if not NAME.fullmatch(name):
            self.note(key, f"the name of a notifier {NAME_RULE}")
        header = self._validate(_InstanceHeader, key, _part(table, CORE_KEYS))
        if header is None:
            return None
        plugin = header.plugin or name
        kind = self.registry.notifiers.get(plugin)
        if not header.enabled or plugin in self.registry.broken:
            return NotifierEntry(plugin, header.enabled)
        if kind is None:
            self.note(
                (*key, "plugin") if header.plugin else key, self._unknown("notifier", plugin, self.registry.notifiers)
            )
            return None
        made: Notifier | None = self._instance(key, kind, _part(table, set(table) - CORE_KEYS), CORE_KEYS)
        return NotifierEntry(plugin, enabled=True, notifier=made) if made else None

    def _no_plugin(self, name: str, modules: Collection[str] = ()) -> str:
        installed = {each.name for each in self.registry.plugins} | set(modules)
        return unknown(f'no plugin is named "{name}"', name, installed, "installed")

    def _no_source(self, name: str) -> str:
        return self._unknown("source", name, self.registry.sources)

    def _unknown(self, word: str, name: str, known: Mapping[str, object]) -> str:
        text = unknown(f'no {word} is named "{name}"', name, known, "known")
        broken = ", ".join(sorted(self.registry.broken))
        return f"{text}; broken plugins: {broken} (chainwright plugins)" if broken else text


def _part(table: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    """Return these keys of a table, where they are set."""
    return {each: value for each, value in table.items() if each in keys}
