"""Rules that hold for the whole tree of errors."""

from __future__ import annotations

import copy
import importlib
import json
import pickle
import pkgutil
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

import agent.errors
import plugins
from agent.errors import AgentError, Problem
from errors.examples import EXAMPLES

FAMILIES = [name for _, name, _ in pkgutil.iter_modules(agent.errors.__path__, "agent.errors.")]
OF_PLUGINS = [
    f"plugins.{path.parent.name}.errors"
    for place in plugins.__path__
    for path in sorted(Path(place).glob("*/errors.py"))
]
BUILT_BY_OTHERS = {"SourceError", "DnsSolverError", "SolverMisconfigured", "SolverRefused", "SolverUnreachable"}
"""Plugins build their own sentences with it."""
every_example = pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: error.code)


def every_class() -> list[type[AgentError]]:
    for name in (*FAMILIES, *OF_PLUGINS):
        importlib.import_module(name)
    shipped = (*FAMILIES, *OF_PLUGINS)
    return sorted({each for each in below(AgentError) if each.__module__ in shipped}, key=lambda each: each.code)


def below(kind: type[AgentError]) -> Iterator[type[AgentError]]:
    for each in kind.__subclasses__():
        yield each
        yield from below(each)


CLASSES = every_class()


def is_concrete(kind: type[AgentError]) -> bool:
    """Whether it has a sentence; the others are families."""
    return bool(kind.cause)


def test_every_error_has_an_example():
    shown = {type(error) for error in EXAMPLES}
    assert [each.__name__ for each in CLASSES if is_concrete(each) and each not in shown] == []
    assert {each.__name__ for each in shown if not is_concrete(each)} <= BUILT_BY_OTHERS


def test_codes_are_unique_and_of_their_family():
    codes = [each.code for each in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(\.[a-z_]+)?", code) for code in codes)
    for each in CLASSES:
        family = [kind for kind in each.__mro__ if kind in CLASSES][-1]
        assert each.code.split(".")[0] == family.code.split(".")[0]


def test_names_of_classes_are_unique():
    names = [each.__name__ for each in CLASSES]
    assert sorted(names) == sorted(set(names))


def test_no_class_formats_by_itself():
    assert [each.__name__ for each in CLASSES if "__init__" in vars(each)] == []


@every_example
def test_every_error_is_one_sentence_with_a_next_step(error: AgentError):
    problem = error.problem
    assert problem.code == type(error).code
    assert problem.cause.endswith((".", "?"))
    assert not problem.cause.endswith("..")
    assert problem.fix
    assert str(error).strip() == str(error)
    assert "None" not in str(error)
    assert not problem.effect or problem.effect.endswith(".")


@every_example
def test_every_error_goes_through_json_unchanged(error: AgentError):
    assert Problem.from_json(json.loads(json.dumps(error.problem.to_json()))) == error.problem


@every_example
def test_every_error_can_be_copied_and_pickled(error: AgentError):
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(again) is type(error)
        assert again.problem == error.problem


def test_the_tree_is_drawn_as_it_is():
    drawn = re.findall(r"[├└] (\w+)", agent.errors.__doc__ or "")
    of_the_core = [each for each in CLASSES if each.__module__ in FAMILIES]
    top = {each.__name__ for each in of_the_core if each.__bases__[0] is AgentError}
    assert top <= set(drawn)
    assert len(set(drawn)) == len(drawn)


def test_families_are_imported_when_they_are_named():
    for name in agent.errors.__all__:
        assert getattr(agent.errors, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        _ = agent.errors.Nonsense


def test_a_problem_without_a_place_or_a_next_step_is_still_a_sentence():
    assert Problem("x", "It failed.").lines() == ["It failed."]
    assert Problem("x", "It failed.", "here", "Do.", "Served.").lines() == ["here: It failed.", "Served. Do."]
    at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert Problem("x", "It failed.", retry_at=at).to_json()["retry_at"] == "2026-11-01T12:00:00Z"


@every_example
def test_a_terminal_is_safe_from_whatever_a_field_quotes(error: AgentError):
    """Words of CAs, services, plugins and certificates, paths and names are anybody's."""
    hostile = "\x1b]0;owned\x07\u202e"
    for name, value in vars(error).items():
        fields = {**vars(error), name: hostile if isinstance(value, str) else [hostile]}
        if name != "detail" and (isinstance(value, str) or (isinstance(value, (list, tuple)) and value)):
            with suppress(TypeError, AttributeError, KeyError):  # a field of other things than texts
                problem = type(error)(**fields).problem
                assert (
                    "".join((problem.cause, problem.where, problem.fix, problem.effect)).replace("\n", "").isprintable()
                )
