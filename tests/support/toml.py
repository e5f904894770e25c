"""Settings as TOML."""

from collections.abc import Mapping


def toml(value: object) -> str:
    """Return a value as TOML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{toml(key)} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"[{', '.join(map(toml, value))}]"


def table(name: str, values: Mapping[str, object]) -> str:
    """Return a table as TOML."""
    return "\n".join([f"[{name}]", *(f"{key} = {toml(value)}" for key, value in values.items()), ""])
