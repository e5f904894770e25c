"""Places in plugins that an error names: file and line."""

from __future__ import annotations

import ast
import inspect
import textwrap
import traceback

CONTRACT = "agent."
"""Beginning of the modules whose classes are the core's own."""
READ = {"receive_chains": "files", "render_files": "files"}
"""Attributes that the contract's own answers read, where these aren't called like the hook."""


def place_of_code(declared: object, error: BaseException | None = None) -> str:
    """Return ``FILE:LINE`` of a function, method or class, or of where in its file `error` was raised; empty: not known."""
    file = _file_of(declared)
    frames = traceback.extract_tb(error.__traceback__) if error else []
    raised = [frame.lineno for frame in frames if frame.filename == file and frame.lineno]
    line = raised[-1] if raised else _line_of(declared)
    return f"{file}:{line}" if file and line else file


def place_of_answer(kind: type, hook: str, error: BaseException | None = None) -> str:
    """Return ``FILE:LINE`` of what a class answers a hook by: its method, an attribute that the contract's own reads, itself."""
    method = getattr(kind, hook, None)
    if inspect.isroutine(method) and not str(method.__module__).startswith(CONTRACT):
        return place_of_code(method, error)
    names = (hook, READ.get(hook, hook.removesuffix("_command")))
    places = (place_of_attribute(each, name) for name in names for each in kind.__mro__ if _is_plugin_s(each))
    return next(filter(None, places), "") or place_of_code(kind, error)


def _is_plugin_s(kind: type) -> bool:
    return not kind.__module__.startswith((CONTRACT, "pydantic.", "builtins"))


def place_of_attribute(owner: object, name: str) -> str:
    """Return ``FILE:LINE`` of what a Python module or a class says of `name`; empty: it doesn't."""
    line = line_of_attribute(owner, name)
    return f"{_file_of(owner)}:{line}" if line else ""


def line_of_attribute(owner: object, name: str) -> int:
    """Return the line in which a Python module or a class says something of `name`; 0: it doesn't."""
    try:
        lines, first = inspect.getsourcelines(owner)  # type: ignore[arg-type]
        (body,) = _bodies(ast.parse(textwrap.dedent("".join(lines))), inspect.isclass(owner))
    except (TypeError, OSError, SyntaxError, ValueError):
        return 0
    found = [node.lineno for node in body if name in named(node)]
    return max(first, 1) + found[-1] - 1 if found else 0


def _bodies(tree: ast.Module, of_a_class: bool) -> list[list[ast.stmt]]:
    return [each.body for each in tree.body if isinstance(each, ast.ClassDef)] if of_a_class else [tree.body]


def named(node: ast.stmt) -> list[str]:
    """Return the names that a statement gives to something."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [each.id for each in targets if isinstance(each, ast.Name)]


def _file_of(declared: object) -> str:
    try:
        return inspect.getfile(declared)  # type: ignore[arg-type]
    except (TypeError, OSError):
        return ""


def _line_of(declared: object) -> int:
    try:
        return inspect.getsourcelines(declared)[1]  # type: ignore[arg-type]
    except (TypeError, OSError):
        return 0
