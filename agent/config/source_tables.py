"""Tables of sources, and the ladder that is made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent.config.files import is_array_of_tables, row_name
from agent.config.problems import OWN_TABLES, own_tables, source_key
from agent.config.settings import CoreSettings
from agent.config.table_validation import TableValidation
from agent.config.wanted_plugins import tables_of, texts
from agent.contract.source import Source
from agent.errors.plugin import PluginError
from agent.errors.wording import few
from agent.registry.contract_checks import NAME, NAME_RULE
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
        for kind in OWN_TABLES & set(self._tables.tree.values):
            raw = self._tables.tree.values[kind]
            if not isinstance(raw, dict) and not is_array_of_tables(raw):
                self._tables.note((kind,), f"must be a table: [{kind}]")
                continue
            made |= dict(self._of_one_kind(kind))
        return made

    def _of_one_kind(self, kind: str) -> Iterator[tuple[str, Source]]:
        """Yield the sources of one class that has several tables, by name: it's that of the first that has none of its own."""
        taken = set(self._tables.registry.sources) - {kind}
        model = self._tables.registry.sources[kind]
        origins: dict[str, str] = {}
        for number, (key, raw) in enumerate(own_tables(self._tables.tree.values, kind)):
            name = row_name(raw, kind)
            if wrong := _wrong_name(name, taken, is_missing=number > 0 and "name" not in raw):
                self._tables.note(key if "name" not in raw else (*key, "name"), wrong)
                continue
            taken.add(name)
            values = {each: value for each, value in raw.items() if each != "name"}
            if instance := self._tables.instance(key, model, values, ("name",)):
                same = origins.setdefault(instance.origin, name) if instance.origin else name
                if same != name:
                    self._tables.note(key, f'asks {instance.origin}, as "{same}" does: each table is another CA')
                yield name, instance

    def rungs(self, configured: Mapping[str, Any], solvers_digest: str = "") -> dict[str, SourceHandle]:
        """Return the ladder: the sources in their order, those without a table with their defaults."""
        rungs: dict[str, SourceHandle] = {}
        default = CoreSettings.model_fields["sources"].default
        for name in texts(self._tables.tree.values.get("sources", list(default))):
            kind = self._tables.registry.sources.get(name)
            if kind is None:
                self._refuse(name)
            elif name in OWN_TABLES and name in self._tables.tree.values:
                group = {each: source for each, source in configured.items() if type(source) is kind}
                rungs |= {each: self._handle(source, solvers_digest, each) for each, source in group.items()}
            elif name in tables_of(self._tables.tree, "source"):
                rungs |= {name: self._handle(configured[name], solvers_digest)} if name in configured else {}
            elif made := self._tables.instance(source_key(name), kind, {}):
                rungs[name] = self._handle(made, solvers_digest)
        if not rungs and self._tables.failures and not self._tables.problems:
            self._tables.note(
                ("sources",), f"none of these can be used: {few(list(map(_reason, self._tables.failures.values())))}"
            )
        return rungs

    def _refuse(self, name: str) -> None:
        """Note a word of the ladder that is the name of no source."""
        for kind in OWN_TABLES:
            if name in [row_name(raw, kind) for _, raw in own_tables(self._tables.tree.values, kind)]:
                instead = f'write "{kind}", which stands for all of them in their order'
                self._tables.note(("sources",), f'names "{name}", one of the tables [[{kind}]]: {instead}')
                return
        if source_key(name) not in self._tables.failures and not self._tables.missing(source_key(name), "source", name):
            self._tables.note(("sources",), self._tables.no_source(name))

    def _handle(self, source: Source, solvers_digest: str, name: str = "") -> SourceHandle:
        table = _as_written(source.name, self._tables.tree.values.get(source.name), name)
        return SourceHandle(source, self._tables.guard, name=name, table=table, solvers_digest=solvers_digest)


def _reason(error: PluginError) -> str:
    return error.problem.cause.rstrip(".")


def _as_written(kind: str, raw: Any, name: str) -> str:
    """Return how people find the table of a source in the settings; empty: as it is always called."""
    if not name or not is_array_of_tables(raw):
        return ""
    if len(raw) == 1:
        return f"[[{kind}]]"
    named = any(row.get("name") == name for row in raw)
    return f'[[{kind}]] name = "{name}"' if named else f"the first [[{kind}]]"


def _wrong_name(name: Any, taken: set[str], *, is_missing: bool) -> str:
    """Say what is wrong with the name of one of several tables; empty: nothing."""
    if is_missing:
        return 'needs a name, for example name = "google": only the first table may do without'
    if not isinstance(name, str):
        return "must be a text in quotes"
    if not NAME.fullmatch(name):
        return f"the name of a source {NAME_RULE}"
    return f'there is another source that is named "{name}"' if name in taken else ""
