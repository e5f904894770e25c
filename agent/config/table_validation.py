"""Validation of tables: each by its class, through the guard where that is a plugin's; problems and failures are collected."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, StrictBool, StrictStr, ValidationError

from agent.config.defaults import default_refused
from agent.config.files import SettingsKey, Tree
from agent.config.problems import problem, translate, unknown
from agent.config.secret_keys import Secrets
from agent.config.wanted_plugins import tables_of
from agent.errors.plugin import PASSED_OVER, STAYS, PartMissing, PluginError, PluginHangs, TableFailed
from agent.errors.settings import SettingsProblem
from agent.registry.guard import Asked, PluginFailed
from agent.registry.plugins import Registry
from agent.system.layout import Layout

M = TypeVar("M", bound=BaseModel)
CORE = "agent."
"""Beginning of the modules whose classes are the core's own."""
VALIDATION = "the validation of its settings"


class PluginHeader(BaseModel):
    """Keys of the core in ``[plugins.NAME]``."""

    enabled: StrictBool = True


class InstanceHeader(PluginHeader):
    """Keys of the core in ``[modules.NAME]`` and ``[notify.NAME]``."""

    plugin: StrictStr | None = None


EFFECTS = {
    "source": PASSED_OVER,
    "services": "The modules that share it stay as they are, the others go on.",
    "notify": "It tells nobody of anything; the agent goes on.",
    "dns": "It publishes nothing; the agent goes on.",
    "plugins": "The plugin is disabled, everything else goes on.",
}
"""What it costs where a plugin fails while a table of its kind is read."""


class TableValidation:
    """Validation of one tree, with the problems found."""

    def __init__(self, tree: Tree, registry: Registry, layout: Layout) -> None:
        self.tree = tree
        self.registry = registry
        self.layout = layout
        self.guard = registry.guard
        self.problems: list[SettingsProblem] = []
        self.failures: dict[SettingsKey, PluginError] = {}
        """What can't be used because code of its plugin failed."""
        self.secrets = Secrets(layout, tree.origins, self.problems)

    def note(self, key: SettingsKey, cause: str) -> None:
        """Add a problem with `key`."""
        self.problems.append(problem(self.tree.origins, key, cause))

    def validate(
        self, model: type[M], key: SettingsKey, raw: Mapping[str, Any], also: Collection[str] = ()
    ) -> M | None:
        """Return the table at `key` as `model`; None: its problems were added. Raises `PluginFailed`, `PluginHangs`."""
        values = self.secrets.resolve(model, key, raw)
        try:
            if model.__module__.startswith(CORE):
                return model.model_validate(values)
            asked = Asked(self.guard.plugin_of(model), VALIDATION, shown(key), self.effect(key))
            return self.guard.call(asked, lambda: model.model_validate(values), contract=(ValidationError,))
        except ValidationError as error:
            asked = Asked(self.guard.plugin_of(model), VALIDATION, shown(key))
            if refused := default_refused(asked.plugin, error, model, values):
                raise PluginFailed(asked, *refused) from error
            for place, cause in translate(error, model, key, values, also=also):
                self.note(place, cause)
        return None

    @staticmethod
    def effect(key: SettingsKey) -> str:
        """Return what it costs where the plugin fails that a table is of."""
        return EFFECTS.get(str(key[0]), STAYS) if len(key) > 1 else PASSED_OVER

    def fail(self, key: SettingsKey, error: PluginError) -> None:
        """Note that what a table is about can't be used, which costs only that."""
        self.failures[key] = error

    def missing(self, key: SettingsKey, kind: str, name: str) -> bool:
        """Return whether a name may be that of a broken plugin; then this is noted."""
        named = {name, *tables_of(self.tree, "plugins")}
        broken = [each for each in self.registry.broken if each in named]
        if broken:
            self.fail(key, PartMissing(shown(key), kind, name, broken, self.effect(key)))
        return bool(broken)

    def instances(
        self, table: str, word: str, known: Mapping[str, type[M]], left: Collection[str] = ()
    ) -> dict[str, Any]:
        """Return what the tables of one kind configure. `left`: names that are no mistake though nothing registers them."""
        made: dict[str, Any] = {}
        for name, raw in tables_of(self.tree, table).items():
            if name in left:
                continue
            if name not in known:
                if not self.missing((table, name), word, name):
                    self.note((table, name), self.unknown(word, name, known))
            elif isinstance(raw, dict):
                made[name] = self.instance((table, name), known[name], raw)
        return {name: each for name, each in made.items() if each is not None}

    def instance(
        self, key: SettingsKey, model: type[M], raw: Mapping[str, Any], also: Collection[str] = ()
    ) -> M | None:
        """Return the table at `key` as `model`; None: its problems, or the failure of its plugin, were added."""
        try:
            return self.validate(model, key, raw, also)
        except PluginFailed as failed:
            self.fail(key, TableFailed(shown(key), failed.error, self.effect(key), failed.place))
        except PluginHangs as error:
            self.fail(key, error)
        return None

    def no_plugin(self, name: str, modules: Collection[str] = ()) -> str:
        """Return the problem of a name that is no plugin's and none of `modules`."""
        installed = {each.name for each in self.registry.plugins} | set(modules)
        return unknown(f'no plugin is named "{name}"', name, installed, "installed")

    def no_source(self, name: str) -> str:
        """Return the problem of a name that is no source's."""
        return self.unknown("source", name, self.registry.sources)

    def unknown(self, word: str, name: str, known: Mapping[str, object]) -> str:
        """Return the problem of a name that is not among `known`."""
        text = unknown(f'no {word} is named "{name}"', name, known, "known")
        broken = ", ".join(sorted(self.registry.broken))
        return f"{text}; broken plugins: {broken} (chainwright plugins)" if broken else text


def shown(key: SettingsKey) -> str:
    """Return a table as it is written in a file."""
    return f"[{'.'.join(map(str, key))}]"


def part(table: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    """Return these keys of a table, where they are set."""
    return {each: value for each, value in table.items() if each in keys}
