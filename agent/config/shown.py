"""Effective settings as ``config show`` prints them: with defaults and the file of each key, secrets masked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from agent.config.files import Origins, SettingsKey, is_array_of_tables
from agent.config.problems import source_key
from agent.config.settings import Settings, SolverEntry
from agent.contract.fields import Listen

BARE = re.compile(r"[A-Za-z0-9_-]+")
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class ShownValue:
    """One effective value."""

    value: Any
    """JSON types. A secret is masked; None: not set."""
    origin: str
    """The file that it is from, or ``default``."""


@dataclass(frozen=True, slots=True)
class ShownTable:
    """One effective table. Its key ends in a number where it is an entry of an array of tables."""

    key: SettingsKey
    values: Mapping[str, ShownValue]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "table": list(self.key),
            "values": {name: {"value": each.value, "origin": each.origin} for name, each in self.values.items()},
        }


def shown_tables(settings: Settings) -> list[ShownTable]:
    """Return every table that is in effect, in the order in which TOML can be written."""
    tables = list(_tables((), _dump(settings.core), settings.origins))
    for name, entry in settings.entries.items():
        head = {"enabled": entry.enabled, "plugin": entry.plugin}
        rest = _dump(entry.module) if entry.module else {}
        tables += _tables(("modules", name), head | rest, settings.origins)
    for name, plugin in settings.plugins.items():
        values = {"enabled": plugin.enabled} | (_dump(plugin.settings) if plugin.settings else {})
        tables += _tables(("plugins", name), values, settings.origins)
    for name, each in settings.notify.items():
        values = {"enabled": each.enabled, "plugin": each.plugin} | (_dump(each.notifier) if each.notifier else {})
        tables += _tables(("notify", name), values, settings.origins)
    for name, solver in settings.dns.items():
        tables += _tables(("dns", name), _of_solver(solver), settings.origins)
    for key, head, instance in _instances(settings):
        tables += _tables(key, head | _dump(instance), settings.origins)
    return tables


def _instances(settings: Settings) -> Iterator[tuple[SettingsKey, dict[str, Any], BaseModel]]:
    """Yield key, keys of the core and the rest of each table that has a class of its own."""
    yield from ((("services", name), {}, each) for name, each in settings.services.items())
    seen: Counter[str] = Counter()
    for name, each in settings.rungs.items():
        key = (each.group, seen[each.group])
        head = {"name": name} if name != each.group or seen[each.group] else {}
        yield key if key in settings.origins.tables else source_key(each.group), head, each.source
        seen[each.group] += 1


def _of_solver(entry: SolverEntry) -> dict[str, Any]:
    head = {"enabled": entry.enabled, "plugin": entry.plugin}
    if entry.handle is None:
        return head
    servers = [str(Listen(host=host, port=port)) for host, port in entry.handle.servers]
    core = {"zones": list(entry.handle.zones), "check_servers": servers, "timeout": entry.handle.timeout}
    return head | core | _dump(entry.handle.solver)


def toml_lines(tables: Iterable[ShownTable], *, origin: bool) -> Iterator[str]:
    """Yield TOML that says the same; with `origin` a comment after each key names its file."""
    for table in tables:
        if table.key:
            yield ""
            yield _heading(table.key)
        for name, each in table.values.items():
            comment = f"  # {each.origin}" if origin else ""
            yield f"# {_word(name)} is not set{comment}" if each.value is None else _assignment(name, each, comment)


def _dump(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, fallback=str, warnings=False)


def _tables(key: SettingsKey, values: Mapping[str, Any], origins: Origins) -> Iterator[ShownTable]:
    """Yield a table, then the tables in it."""
    plain = {name: value for name, value in values.items() if not (_is_table(value) or is_array_of_tables(value))}
    yield ShownTable(key, {name: ShownValue(value, _origin((*key, name), origins)) for name, value in plain.items()})
    for name, value in values.items():
        if _is_table(value):
            yield from _tables((*key, name), value, origins)
        elif is_array_of_tables(value):
            for index, row in enumerate(value):
                yield from _tables((*key, name, index), row, origins)


def _origin(key: SettingsKey, origins: Origins) -> str:
    """Return the file of a value; a secret may come from ``KEY_file``."""
    found = origins.of_value(key) or origins.of_value((*key[:-1], f"{key[-1]}_file"))
    return str(found) if found else DEFAULT


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _heading(key: SettingsKey) -> str:
    words = ".".join(_word(part) for part in key if isinstance(part, str))
    return f"[[{words}]]" if isinstance(key[-1], int) else f"[{words}]"


def _assignment(name: str, each: ShownValue, comment: str) -> str:
    return f"{_word(name)} = {_literal(each.value)}{comment}"


def _word(name: str) -> str:
    return name if BARE.fullmatch(name) else _text(name)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(_literal(each) for each in value if each is not None)}]"
    if isinstance(value, dict):
        pairs = (f"{_word(name)} = {_literal(each)}" for name, each in value.items() if each is not None)
        return f"{{{', '.join(pairs)}}}"
    return _text(str(value))


def _text(text: str) -> str:
    """Write a TOML basic string; characters that are not printable are escaped."""
    return '"' + "".join(_character(each) for each in text) + '"'


def _character(each: str) -> str:
    if each in {'"', "\\"}:
        return f"\\{each}"
    return each if each.isprintable() else f"\\U{ord(each):08x}"
