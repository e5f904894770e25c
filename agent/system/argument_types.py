"""Types of the arguments of public dataclasses: a wrong one is told by name at once, not by what goes wrong with it later."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from enum import Enum
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "True or False", Path: "a path"}
"""What a type is called."""
PLURALS = {str: "texts", int: "whole numbers"}


class WrongArgument(TypeError):
    """Argument of a type that it may not have."""

    is_clause = True


class _Rule(NamedTuple):
    """What one argument may be."""

    kinds: tuple[type, ...]
    words: str
    members: _Rule | None = None
    """What each member may be, where it is a tuple."""

    def fault(self, value: object) -> str:
        """Return what is wrong with a value; empty: nothing is."""
        if not isinstance(value, self.kinds):
            return f"must be {self.words}, and is {_named(value)}"
        if self.members is None or not isinstance(value, tuple | list):
            return ""
        odd = next((each for each in value if self.members.fault(each)), self)
        return "" if odd is self else f"must be {self.words}, and holds {_named(odd)}"


class _Argument(NamedTuple):
    """One argument of a class."""

    name: str
    default: object
    rule: _Rule


def refuse_wrong_types(made: Any) -> None:
    """Raise `WrongArgument` for the first argument of a dataclass that is of a wrong type.

    A list may stand for a tuple, a text for a path or for the value of an enumeration.
    """
    kind: type = type(made)
    for name, default, rule in _arguments(kind):
        value = getattr(made, name)
        if value is not default and (fault := rule.fault(value)):
            raise WrongArgument(f'"{name}" of {type(made).__name__} {fault}')


@cache
def _arguments(kind: type) -> tuple[_Argument, ...]:
    hints = get_type_hints(kind)
    return tuple(_Argument(each.name, _default(each), _rule(hints[each.name])) for each in fields(kind))


def _default(field: Field[Any]) -> object:
    return MISSING if field.default is MISSING else field.default


def _rule(hint: Any) -> _Rule:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        rules = [_rule(each) for each in arguments if each is not type(None)]
        kinds = tuple(kind for each in rules for kind in each.kinds)
        members = next((each.members for each in rules if each.members), None)
        return _Rule((*kinds, type(None)), " or ".join([*(each.words for each in rules), "None"]), members)
    if origin is tuple:
        member = arguments[0]
        plural = PLURALS.get(member, getattr(member, "__name__", ""))
        return _Rule((tuple, list), f"a tuple of {plural}", _rule(member))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return _Rule((Mapping,), "a mapping")
    if not isinstance(hint, type):  # Any, a literal
        return _Rule((object,), "")
    return _Rule(_kinds(hint), WORDS.get(hint, hint.__name__))


def _kinds(kind: type) -> tuple[type, ...]:
    """Return the types that are taken for one."""
    if kind is float:
        return (float, int)
    return (kind, str) if issubclass(kind, PathLike | Enum) else (kind,)


def _named(value: object) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"
