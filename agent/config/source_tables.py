"""Tables of sources, and the ladder that is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.config.problems import OWN_TABLES, source_key
from agent.config.settings import CoreSettings
from agent.config.table_validation import TableValidation
from agent.config.wanted_plugins import tables_of, texts
from agent.contract.source import Source
from agent.errors.plugin import PluginError
from agent.errors.wording import few
from agent.registry.sources import SourceHandle


class SourceTables:
    """Tables of sources of one tree."""

    def __init__(self, tables: TableValidation) -> None:
        self._tables = tables

    def sources(self) -> dict[str, Any]:
        """Return the sources that a table configures, whether or not they are in the ladder."""
        for name in OWN_TABLES & set(tables_of(self._tables.tree, "source")):
            self._tables.note(("source", name), f"has a table of its own: write [{name}]")
        made = self._tables.instances("source", "source", self._tables.registry.sources)
        for name in OWN_TABLES & set(self._tables.tree.values):
            raw = self._tables.tree.values[name]
            if not isinstance(raw, dict):
                self._tables.note((name,), f"must be a table: [{name}]")
            elif instance := self._tables.instance((name,), self._tables.registry.sources[name], raw):
                made[name] = instance
        return made

    def rungs(self, configured: Mapping[str, Any]) -> dict[str, SourceHandle]:
        """Return the ladder: the sources in their order, those without a table with their defaults."""
        rungs: dict[str, SourceHandle] = {}
        default = CoreSettings.model_fields["sources"].default
        for name in texts(self._tables.tree.values.get("sources", list(default))):
            kind = self._tables.registry.sources.get(name)
            if kind is None:
                if source_key(name) not in self._tables.failures and not self._tables.missing(
                    source_key(name), "source", name
                ):
                    self._tables.note(("sources",), self._tables.no_source(name))
            elif name in tables_of(self._tables.tree, "source") or (
                name in OWN_TABLES and name in self._tables.tree.values
            ):
                rungs |= {name: self._handle(configured[name])} if name in configured else {}
            elif made := self._tables.instance(source_key(name), kind, {}):
                rungs[name] = self._handle(made)
        if not rungs and self._tables.failures and not self._tables.problems:
            self._tables.note(
                ("sources",), f"none of these can be used: {few(list(map(_reason, self._tables.failures.values())))}"
            )
        return rungs

    def _handle(self, source: Source) -> SourceHandle:
        return SourceHandle(source, self._tables.guard)


def _reason(error: PluginError) -> str:
    return error.problem.cause.rstrip(".")
