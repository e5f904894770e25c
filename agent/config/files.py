"""Files of the settings: ``chainwright.toml`` and ``conf.d/*.toml``, merged, with the origin of each key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard

from agent.errors.settings import SettingsProblem, SettingsRefused
from agent.system.layout import Layout
from agent.system.trust import Untrusted, files_in, read

SettingsKey = tuple[str | int, ...]
"""A path into the settings: ``("modules", "mail", "port")``; a number is the entry of an array of tables."""

NAMED_ROWS = frozenset({"acme"})
"""Top-level tables that may be several, each with a name by which files are merged; one without is called like this."""
ALONE, SEVERAL = r"^[ \t]*\[([\w-]+)\]", r"^[ \t]*\[\[([\w-]+)\]\]"
"""The header of a table at the top level, and that of one of several."""
PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Origins:
    """File that each key is from. Holds no values, so it may be kept and shown."""

    main: Path
    """File to name when a key is in none."""
    values: Mapping[SettingsKey, Path] = field(default_factory=dict)
    tables: Mapping[SettingsKey, Path] = field(default_factory=dict)
    """The last file that has the table."""
    private: frozenset[Path] = frozenset()
    """Files that only their owner can read, so that they may hold secrets."""

    def of(self, key: SettingsKey) -> Path:
        """Return the file in which the administrator has to edit `key`."""
        for end in range(len(key), 0, -1):
            found = self.values.get(key[:end]) or self.tables.get(key[:end])
            if found:
                return found
        return self.main

    def of_value(self, key: SettingsKey) -> Path | None:
        """Return the file that gave `key` its value, None: a default."""
        return next((self.values[key[:end]] for end in range(len(key), 0, -1) if key[:end] in self.values), None)


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """One file as it was read. Holds secrets: never shown or logged, and kept sealed only."""

    path: Path
    text: str = field(repr=False)
    private: bool
    """Whether only its owner can read it."""


@dataclass(frozen=True, slots=True)
class Tree:
    """All files, merged. Holds secrets: never shown or logged."""

    values: dict[str, Any] = field(repr=False)
    origins: Origins
    files: tuple[SettingsFile, ...] = field(default=(), repr=False)


def read_settings(layout: Layout, files: Sequence[SettingsFile] | None = None) -> Tree:
    """Read and merge all files; none at all is an empty tree. Raises `SettingsRefused` with every file's error.

    `files`: what was read earlier, to be used instead of what is on disk.
    """
    problems: list[SettingsProblem] = []
    found: list[SettingsFile] = []
    parts: list[tuple[Path, dict[str, Any]]] = []
    for each in _read_each(layout, problems) if files is None else files:
        found.append(each)
        parts.append((each.path, _parse(each, problems)))
    if problems:
        raise SettingsRefused(tuple(problems))
    merged = merge(parts, main=layout.settings, private=(each.path for each in found if each.private))
    return replace(merged, files=tuple(found))


def merge(parts: Iterable[tuple[Path, dict[str, Any]]], *, main: Path, private: Iterable[Path] = ()) -> Tree:
    """Merge: later files win key by key, arrays of tables append, all other arrays replace."""
    merged: dict[str, Any] = {}
    values: dict[SettingsKey, Path] = {}
    tables: dict[SettingsKey, Path] = {}
    for path, part in parts:
        _merge_table(merged, part, (), _Marks(path, values, tables))
    return Tree(merged, Origins(main, values, tables, frozenset(private)))


@dataclass(frozen=True, slots=True)
class _Marks:
    """Origins of the keys of one file, being marked."""

    file: Path
    values: dict[SettingsKey, Path]
    tables: dict[SettingsKey, Path]

    def forget(self, key: SettingsKey) -> None:
        """Drop the origins of `key` and below: another file replaces it."""
        for known in (self.values, self.tables):
            for each in [each for each in known if each[: len(key)] == key]:
                del known[each]

    def move(self, key: SettingsKey, to: SettingsKey) -> None:
        """Have what was found at `key` and below found at `to`."""
        for known in (self.values, self.tables):
            for each in [each for each in known if each[: len(key)] == key]:
                known[(*to, *each[len(key) :])] = known.pop(each)


def _merge_table(into: dict[str, Any], part: dict[str, Any], at: SettingsKey, marks: _Marks) -> None:
    if at:
        marks.tables[at] = marks.file
    for name, value in part.items():
        key = (*at, name)
        old = into.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            _merge_table(old, value, key, marks)
        elif not at and name in NAMED_ROWS and _are_rows(value, old):
            into[name] = _merged_rows(old, value, key, marks)
        elif is_array_of_tables(value) and is_array_of_tables(old):
            _append(old, value, key, marks)
        else:
            if name in into:
                marks.forget(key)
            into[name] = _fresh(value, key, marks)


def _fresh(value: Any, key: SettingsKey, marks: _Marks) -> Any:
    """Return a copy of `value`, with its origins marked."""
    if isinstance(value, dict):
        table: dict[str, Any] = {}
        _merge_table(table, value, key, marks)
        return table
    if is_array_of_tables(value):
        rows: list[dict[str, Any]] = []
        _append(rows, value, key, marks)
        return rows
    marks.values[key] = marks.file
    return value


def _append(rows: list[dict[str, Any]], more: list[dict[str, Any]], key: SettingsKey, marks: _Marks) -> None:
    marks.tables[key] = marks.file
    for row in more:
        rows.append(_fresh(row, (*key, len(rows)), marks))


def _are_rows(*values: Any) -> bool:
    return all(isinstance(each, dict) or is_array_of_tables(each) for each in values)


def _merged_rows(old: Any, value: Any, key: SettingsKey, marks: _Marks) -> list[dict[str, Any]]:
    """Merge tables with names, at least one of which is in an array: those of one name key by key, others are appended."""
    if isinstance(old, dict):
        marks.move(key, (*key, 0))
        old = [old]
    rows: list[dict[str, Any]] = old
    marks.tables[key] = marks.file
    names = [row_name(each, str(key[-1])) for each in rows]  # one file that has a name twice has made a mistake
    for row in [value] if isinstance(value, dict) else value:
        name = row_name(row, str(key[-1]))
        if name in names:
            _merge_table(rows[names.index(name)], row, (*key, names.index(name)), marks)
        else:
            rows.append(_fresh(row, (*key, len(rows)), marks))
    return rows


def row_name(row: Mapping[str, Any], otherwise: str) -> Any:
    """Return the name of one table of an array of them, as it is written."""
    return row.get("name", otherwise)


def is_array_of_tables(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    """Whether a value is a TOML array of tables."""
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _paths(layout: Layout, problems: list[SettingsProblem]) -> Iterator[Path]:
    if layout.settings.exists() or layout.settings.is_symlink():
        yield layout.settings
    try:
        yield from files_in(layout.conf_d, "*.toml", root=layout.root)
    except OSError as error:
        problems.append(_whole(layout.conf_d, _unreadable(error)))


def _read_each(layout: Layout, problems: list[SettingsProblem]) -> Iterator[SettingsFile]:
    for path in _paths(layout, problems):
        file = _read(path, layout.root, problems)
        if file is not None:
            yield file


def _read(path: Path, root: Path, problems: list[SettingsProblem]) -> SettingsFile | None:
    try:
        content = read(path, root=root)
        return SettingsFile(path, content.data.decode(), content.private)
    except OSError as error:
        problems.append(_whole(path, _unreadable(error)))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problems.append(_whole(path, f"line {line} is not UTF-8 text"))
    return None


def _unreadable(error: OSError) -> str:
    return str(error.strerror) if isinstance(error, Untrusted) else f"it can't be read: {error.strerror}"


def _parse(file: SettingsFile, problems: list[SettingsProblem]) -> dict[str, Any]:
    try:
        return tomllib.loads(file.text)
    except tomllib.TOMLDecodeError as error:
        problems.append(_syntax(file.path, str(error), file.text))
    except RecursionError:
        problems.append(_whole(file.path, "its arrays or tables are nested too deeply"))
    return {}


def _whole(path: Path, cause: str) -> SettingsProblem:
    return SettingsProblem(str(path), "", "", cause)


def _syntax(path: Path, message: str, text: str) -> SettingsProblem:
    """Return a syntax error with its place, which the parser gives only inside its message."""
    match = PLACE.search(message)
    if not match:
        return _whole(path, message)
    line, column = match[1], match[2]
    if line is None:
        lines = text.splitlines() or [""]
        line, column = str(len(lines)), str(len(lines[-1]) + 1)
    cause = message[: match.start()]
    if mixed := _written_both_ways(text):
        cause = f"{cause}: [{mixed}] and [[{mixed}]] can't be in one file; write [[{mixed}]] for each of several"
    return _whole(path, f"line {line}, column {column}: {cause[:1].lower()}{cause[1:]}")


def _written_both_ways(text: str) -> str:
    """Return the table that a file has as one, and as one of several as well; empty: there is none."""
    alone, several = (set(re.findall(each, text, re.MULTILINE)) for each in (ALONE, SEVERAL))
    return min(alone & several, default="")
