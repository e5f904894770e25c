"""Loading of `Settings` from the merged files: plugins are loaded, every table is validated by its class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.config.files import SettingsFile, Tree, read_settings
from agent.config.module_tables import ModuleTables
from agent.config.plugin_tables import PluginTables
from agent.config.problems import INSTANCE_TABLES, OWN_TABLES
from agent.config.service_tables import ServiceTables
from agent.config.settings import CoreSettings, Settings
from agent.config.solver_tables import SolverTables, digest_of_solvers
from agent.config.source_tables import SourceTables
from agent.config.table_validation import TableValidation
from agent.config.wanted_plugins import tables_of, texts, wanted
from agent.contract.source import Source
from agent.errors.settings import SettingsRefused
from agent.registry.found_plugin import FoundPlugin
from agent.registry.guard import Guard
from agent.registry.plugins import Registry
from agent.system.layout import Layout


def load(
    layout: Layout,
    builtin_sources: Iterable[type[Source]],
    files: Sequence[SettingsFile] | None = None,
    given: Sequence[FoundPlugin] = (),
    guard: Guard | None = None,
) -> tuple[Settings, Registry]:
    """Read the files, load the plugins that they name, validate. Raises `SettingsRefused` with every error.

    `files`: what was read earlier, to be used instead of what is on disk. `given`: plugins beside those that are installed.
    `guard`: what asks the plugins, for tests.
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
        guard=guard,
    )
    return build(tree, registry, layout), registry


def load_all(layout: Layout, builtin_sources: Iterable[type[Source]]) -> Registry:
    """Load every installed plugin, to list them; those that the settings do not name stay off."""
    names = wanted(read_settings(layout))
    return Registry.load(layout, names.enabled, also=None, builtin_sources=builtin_sources)


def build(tree: Tree, registry: Registry, layout: Layout) -> Settings:
    """Validate every table. Raises `SettingsRefused` with every error, each once."""
    validation = TableValidation(tree, registry, layout)
    settings = _settings(validation)
    if settings is None or validation.problems:
        raise SettingsRefused(tuple(dict.fromkeys(validation.problems)))
    return settings


def _settings(tables: TableValidation) -> Settings | None:
    """Return the settings. They are refused if this is None, or problems were noted."""
    core = _core(tables)
    _refuse_other_values(tables)
    entries = ModuleTables(tables).entries()
    of_services = ServiceTables(tables)
    services = of_services.services({name for each in entries.values() if each.module for name in each.module.services})
    entries = of_services.contradicting(of_services.without_failed(entries), services)
    of_sources, of_plugins = SourceTables(tables), PluginTables(tables)
    sources = of_sources.sources()
    solvers = SolverTables(tables).solvers()
    rungs = of_sources.rungs(sources, digest_of_solvers(solvers))
    plugins, notify = of_plugins.plugins(), of_plugins.notifiers()
    if core is None:
        return None
    return Settings(
        core,
        entries,
        services,
        rungs,
        solvers,
        plugins,
        notify,
        tables.tree.origins,
        tuple(tables.secrets.files),
        tables.tree.files,
        {".".join(map(str, key)): error for key, error in tables.failures.items()},
    )


def _core(tables: TableValidation) -> CoreSettings | None:
    others = {*INSTANCE_TABLES, *OWN_TABLES}
    raw = {key: value for key, value in tables.tree.values.items() if key not in others}
    return tables.validate(CoreSettings, (), raw, others)


def _refuse_other_values(tables: TableValidation) -> None:
    for kind in INSTANCE_TABLES:
        value = tables.tree.values.get(kind, {})
        if kind == "plugins" and isinstance(value, list):
            lines = ", ".join(f"[plugins.{name}]" for name in texts(value))
            tables.note(
                (kind,), f"is a table for each plugin, no list{'; write in its place: ' if lines else ''}{lines}"
            )
        elif not isinstance(value, dict):
            tables.note((kind,), f"must be a table of tables: [{kind}.NAME]")
        for name, table in tables_of(tables.tree, kind).items():
            if not isinstance(table, dict):
                tables.note((kind, name), f"must be a table: [{kind}.{name}]")
