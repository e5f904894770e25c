"""What an import that failed was meant to be, where that can be told: a name that is misspelt, a setting without a type."""

from __future__ import annotations

import ast
import difflib
import inspect
import re
from collections.abc import Collection
from pathlib import Path

from pydantic import PydanticUserError

import chainwright
from agent.registry.class_checks import CLOSE, names_of
from agent.registry.contract_checks import CONTRIBUTIONS
from agent.registry.places import named

UNTYPED = re.compile(r"A non-annotated attribute was detected: `(\w+) = |Field '(\w+)' defined on a base class was")
MISSING = re.compile(r"cannot import name '(\w+)' from 'chainwright'")


def hint_of(error: BaseException, plugin: str = "") -> str:
    """Return what mends it, as a clause or a question; empty: that isn't known. `plugin`: the name of a drop-in."""
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.partition(".")[0] == plugin:
        return 'within a package that is dropped in, it is "from .MODULE import ..."'
    if isinstance(error, ImportError) and (missing := MISSING.match(str(error))):
        return _did_you_mean(missing[1], chainwright.__all__)
    name = _untyped_attribute(error)
    return _of_attribute(name) if name else ""


def place_of_mistake(error: BaseException, place: str) -> str:
    """Return the place of an attribute that wants a type, in the class that is at `place`, ``FILE:LINE``; else that place."""
    name = _untyped_attribute(error)
    return _place_in_class(place, name) if name and place else place


def _untyped_attribute(error: BaseException) -> str:
    """Return the attribute of a class that pydantic refuses for want of a type; empty: it is another error."""
    found = UNTYPED.match(str(error)) if isinstance(error, PydanticUserError) else None
    return (found[1] or found[2]) if found else ""


def _of_attribute(name: str) -> str:
    bases = [base for _, base in CONTRIBUTIONS.values()]
    if any(inspect.isfunction(inspect.getattr_static(base, name, None)) for base in bases):
        return f'"{name}" is a method: def {name}(self, ...)'
    if any(name in base.model_fields for base in bases):
        return f'"{name}" is a setting, which the operator makes'
    known = {each for base in bases for each in names_of(base)}
    return _did_you_mean(name, known) or f'a setting has a type, as in "{name}: int = 1"'


def _did_you_mean(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, 1, CLOSE)
    return f'did you mean "{close[0]}"?' if close else ""


def _place_in_class(place: str, name: str) -> str:
    file, _, line = place.rpartition(":")
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, ValueError, SyntaxError):
        return place
    found = [each for each in ast.walk(tree) if isinstance(each, ast.ClassDef) and each.lineno == int(line)]
    lines = [each.lineno for kind in found for each in kind.body if name in named(each)]
    return f"{file}:{lines[-1]}" if lines else place
