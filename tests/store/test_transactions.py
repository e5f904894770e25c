"""Write transactions: nothing that takes long, waits, or runs other people's code is called inside one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.call_graph import CodeBase, Definition, Function, children_of, reached

REPOSITORY = Path(__file__).resolve().parents[2]
FORBIDDEN = {
    "makes keys": r"agent\.pki\.key\.generate_key|agent\.pki\.authority\.Root\.(issue|sign_request|list_revoked)|.*\bscrypt",
    "judges": r"agent\.pki\.judge\.|agent\.pki\.second_opinions\.",
    "asks plugins": (
        r"agent\.registry\.(hooks\.Hooks\.\w+|guard\.Guard\.(call|here))|.*\.(Source|SourceHandle)\.(obtain|due|offers|check_files)"
    ),
    "runs commands": r"subprocess\.|os\.(system|exec|spawn|posix_spawn|fork|waitpid)|agent\.system\.command\.\w*Runner\.run",
    "uses the network": r"socket\.|ssl\.|http\.client|urllib\.request|requests\.|urllib3|select\.|agent\.system\.netlink",
    "waits": r"time\.sleep|threading\.\w+\.(wait|acquire|join)|\?\.(wait|join|acquire|sleep)|fcntl\.|agent\.system\.lock\.held",
    "tells displays and observers": r"agent\.engine\.bus\.Bus\.(show|_show|publish|mention)",
}
"""What a transaction must not do -> names of what does it. Anything beyond the product that isn't known is `?.NAME`."""
LATER = frozenset({"after_commit"})
"""Holds what `Store.write` calls when the transaction is durable."""
GIVEN = {"store": "agent.store.database.Store"}
"""Parameters of the lambdas that are given to a queue of writes."""


@cache
def product() -> CodeBase:
    files = [path for top in ("agent", "plugins", "chainwright") for path in (REPOSITORY / top).rglob("*.py")]
    return CodeBase({module_of(path): path for path in files})


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def is_transaction(node: ast.expr, managers: frozenset[str]) -> bool:
    """Whether an item of a `with` is `Store.write`, `Store.part`, or a context manager that yields inside one."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
    return (name in {"write", "part"} and not node.args) or name in managers


def blocks(code: CodeBase, managers: frozenset[str] = frozenset()) -> Iterator[tuple[Definition, list[ast.AST]]]:
    """Yield each block that runs inside a write transaction, with the function around it."""
    functions = [*code.functions.values(), *(each for kind in code.classes.values() for each in kind.methods.values())]
    for function in functions:
        yield from _blocks(function, function.node, (function.node,), managers)


def _blocks(
    function: Definition, node: ast.AST, scope: tuple[ast.AST, ...], managers: frozenset[str]
) -> Iterator[tuple[Definition, list[ast.AST]]]:
    for child in children_of(node):
        for body in _bodies(child, managers):
            yield Definition(function.module, function.owner, scope[-1], scope[:-1], getattr(child, "lineno", 0)), body
        yield from _blocks(function, child, (*scope, child) if isinstance(child, Function) else scope, managers)


def _bodies(node: ast.AST, managers: frozenset[str]) -> Iterator[list[ast.AST]]:
    if isinstance(node, ast.With) and any(is_transaction(item.context_expr, managers) for item in node.items):
        yield [*node.body]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"write", "later"}:
        yield from ([each.body] for each in node.args if isinstance(each, ast.Lambda))


def yielding(code: CodeBase) -> frozenset[str]:
    """Return the names of the context managers that yield inside a write transaction."""
    found = {
        str(getattr(around.node, "name", ""))
        for around, body in blocks(code)
        for statement in body
        for node in code.nodes(statement)
        if isinstance(node, ast.Yield)
    }
    return frozenset(found - {"write", "part"})


@cache
def forbidden(name: str) -> str | None:
    """Return why what is named must not be called inside a transaction."""
    return next((why for why, pattern in FORBIDDEN.items() if re.match(pattern, name)), None)


def faults(code: CodeBase) -> list[str]:
    found = []
    for around, body in blocks(code, yielding(code)):
        for way, name in reached(code, around, body, GIVEN, LATER):
            reason = forbidden(name)
            if reason:
                found.append(f"{around.name}, line {around.line}, {reason}: {' > '.join((*way, name))}")
    return found


@pytest.mark.timeout(900)  # each way from each block through all of the product
def test_nothing_long_happens_inside_a_write_transaction() -> None:
    assert faults(product()) == []


def test_most_transactions_are_found() -> None:
    """A rule that finds no block would hold in any case."""
    managers = yielding(product())
    assert "change" in managers
    assert len(list(blocks(product(), managers))) > 80


FAULTS = {
    "a key": "from agent.pki.key import generate_key\ndef f(store: Store):\n with store.write():\n  generate_key(1)",
    "through a function": (
        "import time\ndef f(store: Store):\n with store.write():\n  g()\ndef g():\n  h()\ndef h():\n  time.sleep(1)"
    ),
    "a hook": (
        "from agent.registry.hooks import Hooks\nclass A:\n def __init__(self, hooks: Hooks):\n  self._hooks = hooks\n"
        " def f(self, store: Store):\n  with store.write():\n   self._hooks.reload('m', None)"
    ),
    "a runner": (
        "from agent.system.command import Runner\nclass A:\n runner: Runner\n"
        "def f(store: Store, a: A):\n with store.write():\n  a.runner.run(None)"
    ),
    "a manager": (
        "import socket\nfrom contextlib import contextmanager\n@contextmanager\ndef changing(store: Store):\n"
        " with store.write():\n  yield\ndef f(store: Store):\n with changing(store):\n  socket.create_connection(('a', 1))"
    ),
    "a lambda of the queue": ("import subprocess\ndef f(queue):\n queue.write(lambda store: subprocess.run(['true']))"),
    "what is passed on": (
        "import time\ndef f(store: Store):\n with store.write():\n  g(h)\ndef g(work):\n  work()\ndef h():\n  time.sleep(1)"
    ),
    "an event": "import threading\ndef f(store: Store, stop: threading.Event):\n with store.write():\n  stop.wait(1)",
}


@pytest.mark.parametrize("text", FAULTS.values(), ids=FAULTS)
def test_the_rule_finds_each_way_to_break_it(text: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(f"from agent.store import Store\n{text}\n")
    named = {
        module: REPOSITORY / f"{module.replace('.', '/')}.py" for module in ("agent.pki.key", "agent.registry.hooks")
    }
    named |= {
        "agent.system.command": REPOSITORY / "agent/system/command.py",
        "agent.store": REPOSITORY / "agent/store/__init__.py",
    }
    assert len(faults(CodeBase({**named, "broken": broken}))) >= 1
