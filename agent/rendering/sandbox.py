"""Jinja2's sandbox, with bounds: a template can neither reach the agent's code nor keep it busy.

The sandbox keeps templates from attributes of Python's internals and from changing what they are given. The bounds are on the
blocks that a rendering enters, on the length of text, and on the size of numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent.contract.slots import slot_of

MOST_STEPS = 2_000_000
"""Blocks that a rendering enters: bodies of loops, conditions and macros. A thousand sites take some ten thousand."""
LONGEST = 16 * 1024 * 1024
"""Characters of a text."""
WIDEST = 10_000
"""Columns, copies and digits that a template may ask for by a number."""
GREATEST, HIGHEST = 1 << 64, 64
"""Number, and exponent."""
WIDTH = re.compile(r"%(?:\([^)]*\))?[-+ #\d]*\.?(?:\d{5,}|\*)|\{[^{}]*:[^{}]*(?:\d{5,}|\{)")
"""A width in a format of either kind that is more than `WIDEST`, or is a value."""
WIDENING = ("center", "format", "indent", "wordwrap")
"""Filters that fill text up."""


class _Printed(str):
    """Output of a macro, a block or `super()`: each value in it has been checked. Never a value itself."""

    __slots__ = ()


class Counting(CodeGenerator):
    """Compiler that has each block counted, and text joined within the bound."""

    def blockvisit(self, body: Iterable[nodes.Node], frame: Frame) -> None:
        """Count the block when it is entered."""
        self.writeline("environment.count()")
        super().blockvisit(body, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - as Jinja2 calls it
        """Join by `BoundedSandbox.joined`."""
        self.write("environment.joined((")
        for each in node.nodes:
            self.visit(each, frame)
            self.write(", ")
        self.write("))")


class BoundedSandbox(ImmutableSandboxedEnvironment):
    """The environment of all templates."""

    code_generator_class = Counting
    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._steps = 0
        self.filters.update({name: _narrow(FILTERS[name]) for name in WIDENING})
        self.filters["slot_of"] = slot_of
        del self.globals["lipsum"]

    def begin(self) -> None:
        """Begin a rendering."""
        self._steps = 0

    def count(self) -> None:
        """Count a block that is entered. Raises `SecurityError`."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise SecurityError(f"it does not come to an end within {MOST_STEPS} steps")

    def joined(self, parts: Iterable[Any]) -> str:
        """Return the parts as one text. Raises `SecurityError`."""
        return "".join(_bounded(map(str, parts)))

    @staticmethod
    def concat(parts: Iterable[str]) -> str:
        """Return what a template, block or macro prints. Raises `SecurityError`."""
        return _Printed("".join(_bounded(parts)))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute, with bounds. Raises `SecurityError`."""
        if operator == "%" and isinstance(left, str):
            _check_format(left)
        elif operator == "**":
            _check_size(left, GREATEST)
            _check_size(right, HIGHEST)
        elif operator == "*" and not _are_numbers(left, right):
            _check_size(left if _are_numbers(left) else right, WIDEST)
        found = super().call_binop(context, operator, left, right)
        if isinstance(found, str | list | tuple) and len(found) > LONGEST:
            raise SecurityError(f"a text or list is longer than {LONGEST}")
        if _are_numbers(found) and abs(found) > GREATEST:
            raise SecurityError("a number is too large")
        return found

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Return `str.format` of a text in the sandbox; None: `value` is something else. Raises `SecurityError`."""
        found = super().wrap_str_format(value)
        if found is not None:
            _check_format(str(value.__self__))
        return found

    def call(self, context: Context, function: Any, /, *arguments: Any, **named: Any) -> Any:
        """Call, with bounds for methods of text. Raises `SecurityError`."""
        if isinstance(getattr(function, "__self__", None), str):
            for each in (*arguments, *named.values()):
                _check_size(each, WIDEST)
        return super().call(context, function, *arguments, **named)


def is_printed(value: object) -> bool:
    """Whether each value in a text has been checked."""
    return isinstance(value, _Printed)


def _bounded(parts: Iterable[str]) -> Iterator[str]:
    length = 0
    for each in parts:
        length += len(each)
        if length > LONGEST:
            raise SecurityError(f"its text is longer than {LONGEST} characters")
        yield each


def _are_numbers(*values: object) -> bool:
    return all(isinstance(each, int | float) for each in values)


def _check_size(value: object, most: int) -> None:
    if isinstance(value, int | float) and abs(value) > most:
        raise SecurityError(f"the number {value:.6g} is too large there")


def _check_format(text: str) -> None:
    if WIDTH.search(text):
        raise SecurityError("a width in a format is too large")


def _narrow(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that takes no large number, and no large width in a format."""

    def narrow(value: Any, *arguments: Any, **named: Any) -> Any:
        if function is FILTERS["format"]:
            _check_format(str(value))
        for each in (*arguments, *named.values()):
            if not isinstance(each, int) or function is not FILTERS["format"]:
                _check_size(each, WIDEST)
        return function(value, *arguments, **named)

    narrow.__dict__.update(vars(function))  # whether it wants the environment or the context
    return narrow
