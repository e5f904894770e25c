"""Nothing of the core calls the code of plugins but through the registry: `Hooks`, `SourceHandle`, or the guard itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.call_graph import CodeBase, Definition, Function, Reader, children_of

REPOSITORY = Path(__file__).resolve().parents[2]
CONTRACT = {
    "agent.contract.declaration.Declaration",
    "agent.contract.dns_solver.DnsSolver",
    "agent.contract.module.Module",
    "agent.contract.notifier.Notifier",
    "agent.contract.plugin_settings.PluginSettings",
    "agent.contract.service.Service",
    "agent.contract.source.Source",
    "agent.contract.systemd_service.IncludedService",
    "agent.contract.systemd_service.SystemdService",
}
"""Classes whose methods and properties are the plugins' to override."""
OF_THE_CORE = {"instance", "named"}
"""What the core alone writes and reads of them."""
APART = ("agent.registry", "agent.contract", "agent.testing")
"""The registry asks, a class of the contract asks itself, and the kit of tests asks on purpose."""
ASKED_ELSEWHERE = {
    ("agent.operations.revocation.revoke_at_ca", "source.revoke"): "a SourceHandle",
    ("agent.engine.source_context._answers_of", "store.account_keys.present"): "a table of the store",
    ("agent.planning.orders.Orders._due_at", "source.due"): "a SourceHandle",
    ("agent.sources.acme.authorizations.Authorizations._presented", "method.present"): "a way to answer challenges",
    ("agent.sources.acme.authorizations.Authorizations.clean_up", "each.clean_up"): "a way to answer challenges",
    ("agent.sources.acme.challenges.http_01.Http01Method.clean_up", "self._answers.clean_up"): "answers to HTTP-01",
    ("agent.sources.acme.challenges.http_01.Http01Method.present", "self._answers.present"): "answers to HTTP-01",
}
"""Calls of something whose type the reader doesn't know, and what it is."""


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


@cache
def core() -> CodeBase:
    return CodeBase({module_of(path): path for path in (REPOSITORY / "agent").rglob("*.py")})


@cache
def properties() -> frozenset[str]:
    """Return the properties of the contract that nothing else in the core has: who reads one reads a plugin's."""
    code = core()
    methods = {name: found for name, found in code.by_method.items() if name not in OF_THE_CORE}
    return frozenset(
        name
        for name, found in methods.items()
        if all(f"{each.module}.{each.owner}" in CONTRACT and is_property(each.node) for each in found)
    )


def is_property(node: ast.AST) -> bool:
    return isinstance(node, Function) and any("property" in ast.unparse(each) for each in node.decorator_list)


def functions(code: CodeBase) -> Iterator[Definition]:
    """Yield all functions, those inside others too."""
    found = [*code.functions.values(), *(each for kind in code.classes.values() for each in kind.methods.values())]
    for each in found:
        yield each
        yield from _nested(code, each)


def _nested(code: CodeBase, around: Definition) -> Iterator[Definition]:
    for node in code.nodes(around.node):
        if isinstance(node, Function) and node is not around.node:
            yield Definition(around.module, around.owner, node, (*around.scope, around.node), node.lineno)


def guarded(code: CodeBase, function: Definition) -> set[int]:
    """Return the nodes that are given to the guard: it has them evaluated."""
    calls = [each for each in code.nodes(function.node) if isinstance(each, ast.Call)]
    named = [each for each in calls if isinstance(each.func, ast.Attribute) and each.func.attr in {"call", "here"}]
    asked = [each for each in named if ast.unparse(each.func).endswith(("guard.call", "guard.here"))]
    return {id(node) for call in asked for argument in call.args for node in code.nodes(argument)}


def reads(code: CodeBase, function: Definition) -> Iterator[tuple[ast.AST, str]]:
    """Yield what of the contract a function calls or reads, wherever it has that from."""
    reader = Reader(code, function, {})
    for node, target in reader.calls(children_of(function.node)):
        is_of_plugins = isinstance(target, Definition) and f"{target.module}.{target.owner}" in CONTRACT
        if isinstance(target, Definition) and is_of_plugins and not _is_through_hooks(node):
            yield node, target.name
    for node in code.nodes(function.node):
        is_read = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
        if is_read and node.attr in properties() and not reader.type_of(node.value):
            yield node, node.attr


def _is_through_hooks(node: ast.AST) -> bool:
    """Whether it is a call of ``hooks.NAME``, of which the reader may not know that they are `Hooks`."""
    called = node.func if isinstance(node, ast.Call) else node
    return isinstance(called, ast.Attribute) and ast.unparse(called.value).rpartition(".")[2].lstrip("_") == "hooks"


def faults(code: CodeBase) -> list[str]:
    found = set()
    for function in functions(code):
        if function.module.startswith(APART):
            continue
        allowed = guarded(code, function)
        for node, name in reads(code, function):
            called = ast.unparse(node.func if isinstance(node, ast.Call) else node)
            is_own = name.rpartition(".")[2] in OF_THE_CORE
            if id(node) not in allowed and not is_own and (function.name, called) not in ASKED_ELSEWHERE:
                found.add(f"{function}: {called} ({name})")
    return sorted(found)


def test_plugins_are_asked_through_the_registry_alone() -> None:
    assert faults(core()) == []


FAULTS = {
    "a hook": "def f(module: Module, host):\n return module.declare_needs(host)",
    "a hook of a service, in a function inside": (
        "def f(service: Service, modules):\n def g():\n  return service.contradictions(modules)\n return g"
    ),
    "a property": "def f(module: Module):\n return module.file_user",
    "a property of one of several": "def f(found: Mapping[str, Module]):\n return [each.api_user for each in found.values()]",
    "a property of who knows what": "def f(x):\n return x.accepted_key_types",
    "a source": "def f(source: Source, request, state, now):\n return source.due(request, state, now)",
    "a notifier": "class A:\n notifier: Notifier\n def f(self, event):\n  return self.notifier.wants(event)",
    "the heading of a class": "def f(kind: Module):\n return kind.heading()",
    "a method that is handed over": "def f(source: Source, g):\n g(source.obtain)",
}


@pytest.mark.parametrize("text", FAULTS.values(), ids=FAULTS)
def test_each_way_around_is_found(text: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    imports = [f"from {each.rpartition('.')[0]} import {each.rpartition('.')[2]}" for each in sorted(CONTRACT)]
    broken.write_text("\n".join(["from collections.abc import Mapping", *imports, text]))
    named = {module_of(path): path for path in (REPOSITORY / "agent" / "contract").rglob("*.py")}
    assert len(faults(CodeBase({**named, "broken": broken}))) == 1


def test_what_is_given_to_the_guard_is_no_way_around_it(tmp_path: Path) -> None:
    fine = tmp_path / "fine.py"
    fine.write_text(
        "from agent.contract.module import Module\n"
        "def f(guard, asked, module: Module):\n return guard.call(asked, lambda: module.heading())"
    )
    named = {module_of(path): path for path in (REPOSITORY / "agent" / "contract").rglob("*.py")}
    assert faults(CodeBase({**named, "fine": fine})) == []
