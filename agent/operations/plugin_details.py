"""One plugin in all detail: where it is from, its settings, the hooks that it answers or wraps, what else it brings."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import BaseModel

from agent.config.loading import load_all
from agent.contract import fields
from agent.contract.version import shown
from agent.errors.problem import Problem
from agent.errors.usage import UnknownPlugin
from agent.registry.contract_checks import CONTRIBUTIONS, SETTINGS
from agent.registry.implementations import implementations
from agent.registry.places import place_of_code
from agent.registry.plugin_record import PluginRecord
from agent.registry.plugins import Registry
from agent.registry.versions import OLDEST
from agent.rendering.overrides import TemplateFiles
from agent.sources import BUILT_IN

if TYPE_CHECKING:
    import click
    from pydantic.fields import FieldInfo

    from agent.contract.appliance import Appliance
    from agent.system.layout import Layout

TABLES = {
    "module": ("modules", "modules"),
    "service": ("services", "services"),
    "source": ("sources", "source"),
    "DNS solver": ("dns_solvers", "dns"),
    "notifier": ("notifiers", "notify"),
    SETTINGS: ("settings", "plugins"),
}
"""Word for a contribution -> the registry's attribute, and the settings' table."""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One key of a table of settings."""

    name: str
    type: str
    default: str | None
    """As JSON, or ``computed``; None: it is required."""
    description: str


@dataclass(frozen=True, slots=True)
class TableRow:
    """One table of settings, without the keys that every table of its kind has."""

    table: str
    settings: tuple[SettingRow, ...]


@dataclass(frozen=True, slots=True)
class HookRow:
    """One hook, or method of a source, a solver or a notifier, that a plugin answers."""

    hook: str
    owner: str
    """Class; empty: the plugin as a whole."""
    wraps: bool
    """Whether it is asked around the answers of modules, its own or others'."""
    place: str
    """``FILE:LINE``."""


@dataclass(frozen=True, slots=True)
class PluginDetails:
    """One plugin."""

    name: str
    origin: str
    """Distribution and version, or file."""
    file: str
    """Empty: it was not imported."""
    api: str
    """Version of the contract that it is written for; empty: it was not imported."""
    state: str
    enabled: bool
    offers: tuple[str, ...]
    tables: tuple[TableRow, ...]
    hooks: tuple[HookRow, ...]
    templates: tuple[str, ...]
    commands: tuple[str, ...]
    notices: tuple[str, ...]
    problems: tuple[Problem, ...]


def plugin_details(
    layout: Layout, name: str, make_group: Callable[[str], click.Group], appliance: Appliance
) -> PluginDetails:
    """Return what there is to know of one plugin. Raises `UnknownPlugin`."""
    registry = load_all(layout, BUILT_IN)
    record = next((each for each in registry.plugins if each.name == name), None)
    if record is None:
        raise UnknownPlugin(name, [each.name for each in registry.plugins])
    kinds = list(_contributed(registry, record))
    group, problems = _commands(registry, record, make_group, appliance)
    api = getattr(record.plugin, "api", OLDEST)
    return PluginDetails(
        name=name,
        origin=record.owner.origin,
        file=str(getattr(record.plugin, "__file__", "") or ""),
        api="" if record.plugin is None else shown(api if isinstance(api, tuple) else (api, 0)),
        state=record.state,
        enabled=record.enabled,
        offers=record.contributions,
        tables=tuple(_table(word, name, kind) for word, name, kind in kinds),
        hooks=(*_own_hooks(record.plugin), *(row for word, _, kind in kinds for row in _hooks_of(word, kind))),
        templates=tuple(_templates(layout, registry, record)),
        commands=tuple(sorted(group.commands)) if group else (),
        notices=record.notices,
        problems=(*(each.problem for each in record.errors), *problems),
    )


def _contributed(registry: Registry, record: PluginRecord) -> Iterator[tuple[str, str, type[BaseModel]]]:
    """Yield word, name and class of each contribution that works."""
    for word, (attribute, _table) in TABLES.items():
        for name, kind in getattr(registry, attribute).items():
            if (f"{word} {name}" if word != SETTINGS else word) in record.contributions and (
                word != SETTINGS or name == record.name
            ):
                yield word, name, kind


def _base(word: str) -> type[BaseModel]:
    return next(base for known, base in CONTRIBUTIONS.values() if known == word)


# Settings


def _table(word: str, name: str, kind: type[BaseModel]) -> TableRow:
    common = _base(word).model_fields
    texts = _texts(kind)
    rows = [_setting(kind, field, texts) for field in kind.model_fields if field not in common]
    return TableRow(f"[{TABLES[word][1]}.{name}]", tuple(rows))


def _setting(kind: type[BaseModel], name: str, texts: dict[str, str]) -> SettingRow:
    field = kind.model_fields[name]
    return SettingRow(
        name=field.alias or name,
        type=_type_of(kind, name),
        default=None if field.is_required() else _default_of(field),
        description=" ".join((field.description or texts.get(name, "")).split()),
    )


def _default_of(field: FieldInfo) -> str:
    """Return a default as JSON. One that the plugin computes is not computed here."""
    if field.default_factory is not None:
        return "computed"
    plain = (
        field.default.model_dump(mode="json", fallback=str) if isinstance(field.default, BaseModel) else field.default
    )
    return json.dumps(plain, default=str, ensure_ascii=False)


def _type_of(kind: type[BaseModel], name: str) -> str:
    """Return the type of a setting as its author has written it."""
    written = next(vars(each)["__annotations__"][name] for each in kind.__mro__ if name in _annotations(each))
    if isinstance(written, str):
        return written
    known = (each for each, value in vars(fields).items() if value is written)
    return next(known, inspect.formatannotation(written))


def _annotations(kind: type) -> dict[str, object]:
    found: dict[str, object] = vars(kind).get("__annotations__", {})
    return found


def _texts(kind: type[BaseModel]) -> dict[str, str]:
    """Return what stands below each setting in its class, as a docstring does."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each.__module__.partition(".")[0] not in {"pydantic", "builtins", "abc"}:
            found.update(_texts_below(each))
    return found


def _texts_below(kind: type) -> Iterator[tuple[str, str]]:
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return
    lines = tree.body if isinstance(tree, ast.ClassDef) else []
    for line, following in pairwise(lines):
        text = following.value if isinstance(following, ast.Expr) else None
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and isinstance(text, ast.Constant):
            yield line.target.id, str(text.value)


# Hooks


def _own_hooks(plugin: object) -> Iterator[HookRow]:
    for each in implementations(plugin) if plugin is not None else ():
        function = inspect.getattr_static(plugin, each.attribute)
        yield HookRow(each.hook, "", each.wrapper, place_of_code(getattr(function, "__func__", function)))


def _hooks_of(word: str, kind: type[BaseModel]) -> Iterator[HookRow]:
    """Yield what a class answers itself: the methods of its base that it overrides, and what it has marked as a hook."""
    base = _base(word)
    marked = {each.attribute: each for each in implementations(kind)}
    for name in _written(kind, base):
        answer = marked.get(name)
        if answer or hasattr(base, name):
            function = inspect.getattr_static(kind, name)
            code = getattr(function, "fget", None) or getattr(function, "__func__", function)
            hook, wraps = (answer.hook, answer.wrapper) if answer else (name, False)
            yield HookRow(hook, kind.__name__, wraps, place_of_code(code))


def _written(kind: type[BaseModel], base: type[BaseModel]) -> list[str]:
    """Return the public methods and properties of a class that aren't the contract's, in the order in which they are written."""
    own = [each for each in kind.__mro__ if issubclass(each, base) and not each.__module__.startswith("agent.")]
    return list(
        dict.fromkeys(
            name
            for each in own
            for name, value in vars(each).items()
            if not name.startswith("_")
            and not hasattr(BaseModel, name)
            and (inspect.isroutine(value) or isinstance(value, property))
        )
    )


# What else it brings


def _templates(layout: Layout, registry: Registry, record: PluginRecord) -> list[str]:
    names = {each.partition(" ")[2] for each in record.contributions if each.startswith(("module ", "service "))}
    found = TemplateFiles(layout, registry.modules.values(), registry.services).all()
    return [each.template for each in found if each.template.partition("/")[0] in names]


def _commands(
    registry: Registry, record: PluginRecord, make_group: Callable[[str], click.Group], appliance: Appliance
) -> tuple[click.Group | None, tuple[Problem, ...]]:
    """Ask for the commands that it has, or would have if it were enabled."""
    if record.plugin is None:
        return None, ()
    alone = replace(registry, plugins=(replace(record, enabled=True),))
    for each in alone.commands(make_group, appliance):
        return each.group, (each.error.problem,) if each.error else ()
    return None, ()
