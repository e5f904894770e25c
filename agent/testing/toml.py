"""Settings as TOML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, time


def document(values: Mapping[str, object]) -> str:
    """Return a whole document: what stands outside of tables first."""
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    lines = [f"{_key(key)} = {toml(value)}" for key, value in plain.items()]
    tables = (_tables(_key(key), value) for key, value in values.items() if isinstance(value, Mapping))
    return "\n".join([*lines, *(text for each in tables for text in each), ""])


def _tables(name: str, values: Mapping[str, object]) -> Iterable[str]:
    """Yield a table, or the tables in it where it has nothing else."""
    if values and all(isinstance(each, Mapping) for each in values.values()):
        for key, each in values.items():
            assert isinstance(each, Mapping)
            yield table(f"{name}.{_key(key)}", each)
    else:
        yield table(name, values)


def table(name: str, values: Mapping[str, object]) -> str:
    """Return a table."""
    return "\n".join([f"[{name}]", *(f"{_key(key)} = {toml(value)}" for key, value in values.items()), ""])


def toml(value: object) -> str:
    """Return a value."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | date | time):
        return str(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return f"[{', '.join(map(toml, value))}]"
    return _text(str(value))


def _key(name: str) -> str:
    plain = name.replace("-", "").replace("_", "")
    return name if plain.isascii() and plain.isalnum() else _text(name)


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in escaped) + '"'
