"""Plugins that the settings name, before any of them is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agent.config.files import Tree
from agent.config.problems import OWN_TABLES


@dataclass(frozen=True, slots=True)
class WantedPlugins:
    """Plugins that the settings name."""

    enabled: frozenset[str]
    disabled: frozenset[str]
    """Loaded so that titles and services are known, but not enabled."""
    services: frozenset[str] = frozenset()
    """Services that have a table: whatever registers them is loaded, also where no module of it is left."""


def wanted(tree: Tree) -> WantedPlugins:
    """Return the plugins to load; never raises, whatever the files hold."""
    on: set[str] = set()
    off: set[str] = set()
    for plugin, enabled in _named(tree):
        (on if enabled else off).add(plugin)
    on.update(texts(tree.values.get("sources")))
    for kind in ("services", "source"):
        on |= set(tables_of(tree, kind))
    on |= OWN_TABLES & set(tree.values)
    return WantedPlugins(frozenset(on), frozenset(off - on), frozenset(tables_of(tree, "services")))


def _named(tree: Tree) -> Iterator[tuple[str, bool]]:
    """Yield the plugins of tables that can be disabled, and whether each is enabled."""
    for kind in ("modules", "notify", "dns", "plugins"):
        for name, table in tables_of(tree, kind).items():
            values = table if isinstance(table, dict) else {}
            plugin = name if kind == "plugins" else values.get("plugin", name)
            yield str(plugin), values.get("enabled") is not False


def tables_of(tree: Tree, kind: str) -> dict[str, Any]:
    """Return the tables of one kind, before any of them is validated."""
    tables = tree.values.get(kind, {})
    return tables if isinstance(tables, dict) else {}


def texts(value: Any) -> list[str]:
    """Return the texts of a list that has not been validated yet."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
