"""Functions and methods that are marked as answers to hooks, read without running any code of the plugin."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from agent import hookspecs


@dataclass(frozen=True, slots=True)
class Implementation:
    """Function that is marked as the answer to a hook."""

    attribute: str
    hook: str
    arguments: tuple[str, ...]
    wrapper: bool
    optional: bool
    """An agent that has no such hook leaves it out."""
    awaited: bool
    """It is async."""
    yields: bool


def hook_arguments() -> dict[str, tuple[str, ...]]:
    """Return the arguments of each hook of `agent.hookspecs`."""
    specs = {name: each for name, each in vars(hookspecs).items() if hasattr(each, "chainwright_spec")}
    return {name: tuple(inspect.signature(each).parameters) for name, each in specs.items()}


def implementations(thing: object) -> Iterator[Implementation]:
    """Yield what pluggy would register of a plugin, or of the instances of a class, without running any of its code."""
    for attribute, static in attributes_of(thing):
        function = static.__func__ if isinstance(static, staticmethod | classmethod) else static
        options = getattr(function, "chainwright_impl", None) if inspect.isfunction(function) else None
        if options:
            arguments = arguments_of(function)
            bound = inspect.isclass(thing) and not isinstance(static, staticmethod)
            yield Implementation(
                attribute,
                options["specname"] or attribute,
                arguments[1:] if bound else arguments,
                bool(options["wrapper"] or options["hookwrapper"]),
                bool(options["optionalhook"]),
                inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function),
                inspect.isgeneratorfunction(function),
            )


def arguments_of(function: Callable[..., object]) -> tuple[str, ...]:
    """Return the names of the arguments that a function is given by name."""
    found = inspect.signature(function).parameters.values()
    return tuple(each.name for each in found if each.kind is each.POSITIONAL_OR_KEYWORD)


def attributes_of(thing: object) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of a plugin or a class as they are written, in the order of their names."""
    if inspect.isclass(thing):
        found: dict[str, object] = {}
        for each in reversed(type.mro(thing)):
            found.update(vars(each))
        yield from sorted(found.items(), key=itemgetter(0))
    else:
        for attribute in dir(thing):
            yield attribute, inspect.getattr_static(thing, attribute, None)
