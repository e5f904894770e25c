"""Each hook is asked by the core: one that nobody asks would be a promise that isn't kept."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import agent
from agent import hookspecs
from agent.registry.contract_checks import CONTRIBUTIONS
from agent.registry.hooks import Hooks
from agent.registry.implementations import hook_arguments
from agent.registry.life_hooks import LIFE

CORE = Path(next(iter(agent.__path__)))
FILES = [path for path in CORE.rglob("*.py") if path != Path(str(hookspecs.__file__))]
BEYOND = [path for path in FILES if path.parent.name != "registry"]
"""What isn't the registry: it asks through it."""


@cache
def tree(path: Path) -> ast.AST:
    return ast.parse(path.read_text())


def nodes(files: list[Path]) -> Iterator[ast.AST]:
    for path in files:
        yield from ast.walk(tree(path))


@cache
def asked_of_hooks() -> set[str]:
    """Return the methods of `Hooks` that the core calls, wherever it has them from."""
    calls = (each.func for each in nodes(BEYOND) if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute))
    return {call.attr for call in calls if ast.unparse(call.value).rpartition(".")[2].lstrip("_") == "hooks"}


@cache
def asked_of_pluggy() -> set[str]:
    """Return the hooks that are asked by name of a plugin manager."""
    return {
        each.attr
        for each in nodes(FILES)
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Attribute) and each.value.attr == "hook"
    }


@cache
def loops_over_contributions() -> bool:
    loops = (each.iter for each in nodes(FILES) if isinstance(each, ast.For | ast.comprehension))
    return any("CONTRIBUTIONS" in ast.unparse(each) for each in loops)


@pytest.mark.parametrize("hook", sorted(hook_arguments()))
def test_the_core_asks_each_hook(hook: str):
    if hook in LIFE:
        assert callable(getattr(Hooks, hook, None)), f"Hooks has no method {hook}"
        assert hook in asked_of_hooks(), f"nothing asks Hooks.{hook}"
    elif hook in CONTRIBUTIONS:
        assert loops_over_contributions()
    else:
        assert hook in asked_of_pluggy(), f"nothing asks {hook}"


def test_each_method_of_hooks_asks_the_hook_of_its_name():
    (hooks,) = (each for each in nodes(FILES) if isinstance(each, ast.ClassDef) and each.name == "Hooks")
    methods = {each.name: ast.unparse(each) for each in hooks.body if isinstance(each, ast.FunctionDef)}
    assert [hook for hook in LIFE if f"'{hook}', asked" not in methods[hook]] == []
