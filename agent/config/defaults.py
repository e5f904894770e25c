"""Defaults that the class of a table refuses itself: the mistake of its author, not of the operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from agent.registry.culprits import Place
from agent.registry.places import place_of_attribute


class DefaultRefused(ValueError):
    """The default of a setting is none of its values: why, as a clause."""

    is_clause = True


def default_refused(
    plugin: str, error: ValidationError, model: type[BaseModel], given: Mapping[str, Any]
) -> tuple[DefaultRefused, Place] | None:
    """Return what is wrong with the first default of a plugin that was refused; None: all that was refused was given."""
    for row in error.errors(include_url=False, include_input=False):
        name = str(row["loc"][0]) if row["loc"] else ""
        field = model.model_fields.get(name)
        if field is None or field.is_required() or {name, field.alias, field.validation_alias} & {*given}:
            continue
        reason = f'the default of its setting "{name}" is refused: {row["msg"]}'
        owner = next(each for each in model.__mro__ if name in vars(each).get("__annotations__", {}))
        file, _, line = place_of_attribute(owner, name).rpartition(":")
        return DefaultRefused(reason), Place(plugin, file, int(line or 0))
    return None
