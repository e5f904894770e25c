"""Translation of pydantic's errors into sentences that name file, table and key, and say what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from agent.config.files import Origins, SettingsKey, is_array_of_tables
from agent.contract.fields import Secret
from agent.errors.settings import SettingsProblem

SENTENCES = {
    "missing": "is missing",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be a text in quotes",
    "list_type": 'must be a list, for example ["a", "b"]',
    "tuple_type": 'must be a list, for example ["a", "b"]',
    "set_type": 'must be a list, for example ["a", "b"]',
    "frozen_set_type": 'must be a list, for example ["a", "b"]',
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries, has {actual_length}",
    "too_long": "must have at most {max_length} entries, has {actual_length}",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "none_required": "must not be set",
}
CLOSE_ENOUGH = 0.6
INSTANCE_TABLES = ("modules", "services", "plugins", "notify", "source", "dns")
"""Tables of tables, one an instance; all other top-level keys are the core's."""
OWN_TABLES = frozenset({"acme"})
"""Sources with tables of their own instead of ``[source.NAME]``: most administrators write them, and some write several."""


def source_key(name: str) -> SettingsKey:
    """Return the table of a source's settings."""
    return (name,) if name in OWN_TABLES else ("source", name)


def own_tables(values: Mapping[str, Any], kind: str) -> Iterator[tuple[SettingsKey, Mapping[str, Any]]]:
    """Yield the tables of a source that may have several of its own, with their keys: ``[acme]``, or each ``[[acme]]``."""
    raw = values.get(kind)
    if isinstance(raw, Mapping):
        yield (kind,), raw
    elif is_array_of_tables(raw):
        yield from (((kind, number), each) for number, each in enumerate(raw))


def unknown(what: str, word: str, known: Collection[str], title: str) -> str:
    """Return `what`, a sentence about `word`, which is not among `known`, with the closest of those and the list."""
    names = ", ".join(sorted(known)) or "none"
    close = difflib.get_close_matches(word, list(known), 1, CLOSE_ENOUGH)
    if close:
        return f'{what}; did you mean "{close[0]}"? {title.capitalize()}: {names}'
    return f"{what}; {title}: {names}"


def problem(origins: Origins, key: SettingsKey, cause: str) -> SettingsProblem:
    """Return a problem with the file, table and key as the administrator wrote them."""
    table, rest = split(key)
    return SettingsProblem(str(origins.of(key)), table, rest, cause)


def split(key: SettingsKey) -> tuple[str, str]:
    """Return table and key below it: two levels for the tables of instances, one for those of the core."""
    depth = 2 if key and key[0] in INSTANCE_TABLES else 1
    if len(key) < 2 or isinstance(key[1], int):
        return "", written(key)
    return ".".join(map(str, key[:depth])), written(key[depth:])


def written(key: SettingsKey) -> str:
    """Write a path into a table: ``sites[#2].upstream``; entries count from one."""
    text = ""
    for part in key:
        text += f"[#{part + 1}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def translate(
    error: ValidationError,
    model: type[BaseModel],
    key: SettingsKey,
    raw: Mapping[str, Any],
    *,
    also: Collection[str] = (),
) -> Iterator[tuple[SettingsKey, str]]:
    """Yield key and sentence of each error in the table at `key`; `also` are keys of the core in the same table."""
    found: dict[SettingsKey, list[str]] = {}
    rows = error.errors(include_url=False, include_input=False)
    for row in rows:
        if _is_short_of_bad_entries(row, rows, raw):
            continue
        place = _place(row["loc"], raw, keep_last=row["type"] == "missing")
        sentence = _sentence(row, model, place, also if len(place) == 1 else ())
        sentences = found.setdefault(place, [])
        if sentence not in sentences:
            sentences.append(sentence)
    for place, sentences in found.items():
        yield (*key, *place), " or ".join(sentences)


def _is_short_of_bad_entries(row: ErrorDetails, rows: Iterable[ErrorDetails], raw: Any) -> bool:
    """Whether a list is called too short only because an entry of it is wrong, which is another row."""
    where = row["loc"]
    inside = [each for each in rows if len(each["loc"]) > len(where) and each["loc"][: len(where)] == where]
    if row["type"] != "too_short" or not inside:
        return False
    given = raw
    for part in _place(where, raw, keep_last=False):
        given = given[part]
    return bool((len(given) if isinstance(given, list) else 1) >= row["ctx"]["min_length"])


def _place(location: SettingsKey, raw: Any, *, keep_last: bool) -> SettingsKey:
    """Return `location` without pydantic's own marks, such as the members of a union."""
    place: list[str | int] = []
    for index, part in enumerate(location):
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            if keep_last and index == len(location) - 1:
                place.append(part)
            continue
        place.append(part)
    return tuple(place)


def _sentence(row: ErrorDetails, model: type[BaseModel], place: SettingsKey, also: Collection[str]) -> str:
    kind, context = row["type"], row.get("ctx", {})
    if kind == "extra_forbidden":
        keys = {*allowed_keys(model, place[:-1]), *also}
        return unknown("unknown key", str(place[-1]), keys, "allowed")
    if kind in SENTENCES:
        return SENTENCES[kind].format_map(context)
    if kind in {"value_error", "assertion_error"}:
        return _one_line(str(context.get("error") or row["msg"]))
    return _one_line(row["msg"][:1].lower() + row["msg"][1:])


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def allowed_keys(model: type[BaseModel], place: SettingsKey) -> set[str]:
    """Return the keys of the table at `place` below `model`, with ``KEY_file`` for secrets."""
    keys: set[str] = set()
    for each in models_at(model, place):
        for name, field in each.model_fields.items():
            key = field.alias or name
            keys.add(key)
            if holds_secret(field.annotation):
                keys.add(f"{key}_file")
    return keys


def models_at(model: type[BaseModel], place: SettingsKey) -> list[type[BaseModel]]:
    """Return the models that the table at `place` may be: several where the field is a union."""
    models = [model]
    for part in place:
        if isinstance(part, str):
            fields = [
                field for each in models for name, field in each.model_fields.items() if part in {name, field.alias}
            ]
            if fields:
                models = [found for field in fields for found in nested_models(field.annotation)]
    return models


def nested_models(annotation: Any) -> list[type[BaseModel]]:
    """Return every model that a field's type names, through lists, dicts and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in nested_models(argument)]


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the types that a union joins, or the one type itself, without `Annotated`."""
    kind = get_origin(annotation)
    if kind is Annotated:
        return members(get_args(annotation)[0])
    if kind in {Union, UnionType}:
        return tuple(each for argument in get_args(annotation) for each in members(argument))
    return (annotation,)


def holds_secret(annotation: Any) -> bool:
    """Whether a field's type is `Secret`, or a union with it."""
    return Secret in members(annotation)
