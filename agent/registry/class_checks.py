"""Checks of a contributed class against the class of the contract: what is misspelt, hides something, or can't be called."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from types import FunctionType
from typing import Any

from pydantic import BaseModel

from agent.registry.places import line_of_attribute

CLOSE = 0.8
"""How alike a name has to be for one that is misspelt."""
IDENTITY = ("__eq__", "__hash__")


def mistakes(
    kind: type[BaseModel], base: type[BaseModel], hooks: Mapping[str, tuple[str, ...]], reserved: Collection[str] = ()
) -> Iterator[str]:
    """Yield what is wrong with each attribute that `kind` adds to the contract's class `base`.

    `hooks`: their arguments; `reserved`: keys of the table that no setting may have.
    """
    own = _own_attributes(kind)
    for name, (owner, value) in sorted(own.items()):
        if name in inspect.get_annotations(owner) and name in getattr(owner, "model_fields", {}):
            reason = _of_field(base, name, reserved)
        elif hasattr(base, name):
            reason = _of_value(base, name, value) or _of_method(base, name, value, hooks.get(name))
        else:
            reason = _misspelt(base, name, own)
        if reason:
            yield at_line(owner, name, reason)
    for owner in filter(_is_plugin_s, kind.__mro__):
        for name in IDENTITY:
            if inspect.isfunction(value := vars(owner).get(name)) and value.__module__ == owner.__module__:
                yield at_line(owner, name, f'"{name}" may not be overridden: the core tells modules apart by it')


def at_line(kind: type, name: str, reason: str) -> str:
    """Return a reason with the line in which a class says something of `name`, or the class that it is derived from."""
    lines = (line_of_attribute(each, name) for each in kind.__mro__ if _is_plugin_s(each))
    line = next(filter(None, lines), 0)
    return f"line {line}: {reason}" if line else reason


def _is_plugin_s(kind: type) -> bool:
    return issubclass(kind, BaseModel) and not kind.__module__.startswith(("agent.", "pydantic."))


def _own_attributes(kind: type[BaseModel]) -> dict[str, tuple[type, Any]]:
    """Return the public attributes and fields of a class that aren't the contract's, each with the class that has it."""
    found: dict[str, tuple[type, Any]] = {}
    for each in reversed(kind.__mro__):
        if _is_plugin_s(each):
            values = dict.fromkeys(inspect.get_annotations(each)) | vars(each)
            found |= {name: (each, value) for name, value in values.items() if not name.startswith("_")}
    return {name: found for name, found in found.items() if not hasattr(BaseModel, name)}


def _of_field(base: type[BaseModel], name: str, reserved: Collection[str]) -> str:
    """Say that a setting has a name of the core's."""
    if name in base.model_fields or name in reserved:
        return f'its setting "{name}" belongs to the core'
    return f'its setting "{name}" hides {base.__name__}.{name}' if hasattr(base, name) else ""


def _misspelt(base: type[BaseModel], name: str, own: Collection[str]) -> str:
    """Say what is meant by a name that nothing asks for. Where the right one is there too, it is the author's own."""
    close = difflib.get_close_matches(name, names_of(base) - set(own), 1, CLOSE)
    return f'"{name}" is nothing that the core asks for; did you mean "{close[0]}"?' if close else ""


def _of_value(base: type[BaseModel], name: str, value: Any) -> str:
    """Say that a class attribute is of another type."""
    wanted = _class_attributes(base).get(name)
    if wanted and type(value) is not wanted and (wanted, type(value)) != (float, int):
        return f'"{name}" must be {wanted.__name__}, and is {_kind(value)}'
    return ""


@cache
def _class_attributes(base: type[BaseModel]) -> Mapping[str, type]:
    """Return the types of those class attributes of the contract that are plain."""
    plain = {f"ClassVar[{kind.__name__}]": kind for kind in (str, bool, int, float)}
    written = [inspect.get_annotations(each) for each in reversed(base.__mro__)]
    return {name: plain[text] for each in written for name, text in each.items() if text in plain}


@cache
def names_of(base: type[BaseModel]) -> frozenset[str]:
    """Return the names that the contract gives a meaning."""
    return frozenset(each for each in dir(base) if not (each.startswith("_") or hasattr(BaseModel, each)))


def _of_method(base: type[BaseModel], name: str, value: Any, by_name: Collection[str] | None) -> str:
    """Say that something can't be called as the core calls it."""
    meant = inspect.getattr_static(base, name, None)
    if isinstance(meant, property):
        return "" if isinstance(value, property) else f'"{name}" must be a property, and is {_kind(value)}'
    if not inspect.isfunction(meant) or _wraps(value):
        return ""
    if not inspect.isfunction(value):
        return f'"{name}" must be a method, and is {_kind(value)}'
    if not _can_be_called(value, meant, by_name):
        return f'"{name}" takes {_arguments(value)}, and is called with {_arguments(meant)}'
    return _of_answer(name, value, meant)


def _of_answer(name: str, value: FunctionType, meant: FunctionType) -> str:
    """Say that a call returns something else than an answer."""
    if value.__code__.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        return f'"{name}" is async, and must answer at once'
    returned = str(meant.__annotations__.get("return"))
    if inspect.isgeneratorfunction(value) and not returned.startswith("Iterable"):
        return f'"{name}" is a generator, and must return {returned}'
    return ""


def _wraps(value: Any) -> bool:
    """Whether it is the wrapper of a hook, which is a generator."""
    return bool(getattr(value, "chainwright_impl", {}).get("wrapper"))


def _can_be_called(function: FunctionType, meant: FunctionType, by_name: Collection[str] | None) -> bool:
    """Whether `function` takes what `meant` takes; those in `by_name` are given by name, and may be left out."""
    if _positional(function) == _positional(meant):
        return True
    own, (self, *given) = inspect.signature(function), _positional(meant)
    named = [each for each in by_name or () if each in own.parameters]
    try:
        own.bind(self, *([] if by_name else given), **dict.fromkeys(named))
    except TypeError:
        return False
    return next(iter(own.parameters)) not in given


def _positional(function: FunctionType) -> tuple[str, ...]:
    return function.__code__.co_varnames[: function.__code__.co_argcount]


def _arguments(function: FunctionType) -> str:
    return f"({', '.join(inspect.signature(function).parameters)})"


def _kind(value: Any) -> str:
    """Name the type only: a value may hold a secret."""
    names = {staticmethod: "a static method", classmethod: "a class method", property: "a property"}
    if inspect.isfunction(value):
        return "a method"
    return "None" if value is None else names.get(type(value), f"an object of type {type(value).__name__}")
