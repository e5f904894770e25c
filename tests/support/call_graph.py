"""A call graph of the product's code, by names and annotations: what a block of code may call, and through what."""

from __future__ import annotations

import ast
import builtins
import io
import re
import socket
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from sqlite3 import Connection

KNOWN = (
    dict,
    list,
    set,
    str,
    bytes,
    tuple,
    io.BufferedRandom,
    io.TextIOWrapper,
    Path,
    socket.socket,
    re.Pattern,
    datetime,
    Connection,
)
COMMON = frozenset(name for kind in KNOWN for name in dir(kind))
"""Methods of the library's everyday types: a call of one on a value of unknown type says nothing."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Definition:
    """A function, a method or a block of the product."""

    module: str
    owner: str
    """Class; empty: none."""
    node: ast.AST = field(repr=False, compare=False)
    scope: tuple[ast.AST, ...] = field(repr=False, compare=False, default=())
    """Functions around it, from outside to inside."""
    line: int = 0

    @property
    def name(self) -> str:
        """Dotted name, with the class."""
        named = getattr(self.node, "name", "")
        return ".".join(each for each in (self.module, self.owner, named) if each)

    def __str__(self) -> str:
        return f"{self.name or self.module}:{self.line}"


@dataclass
class Class:
    """A class: its methods, what its attributes are, and its bases."""

    name: str
    module: str
    node: ast.ClassDef
    methods: dict[str, Definition] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    """Attribute -> dotted name of its type, where an annotation or an assignment tells it."""


class CodeBase:
    """Modules of the product, with what their names mean."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        """`files`: dotted name of a module -> its file."""
        self.trees = {module: ast.parse(path.read_text()) for module, path in files.items()}
        self.names = {module: dict(_imported(_top(tree))) for module, tree in self.trees.items()}
        self._nodes: dict[int, list[ast.AST]] = {}
        self._calls: dict[tuple[object, ...], list[tuple[ast.AST, Definition | str]]] = {}
        self._protocols: dict[str, bool] = {}
        self.functions: dict[str, Definition] = {}
        self.classes: dict[str, Class] = {}
        for module, tree in self.trees.items():
            self._collect(module, tree)
        for _ in range(2):  # what an attribute is may be known by another class's
            for each in self.classes.values():
                self._note_attributes(each)

    def nodes(self, scope: ast.AST) -> list[ast.AST]:
        """Return a node of these modules and all below it; a function is read for each one that is inside it, too."""
        found = self._nodes.get(id(scope))
        if found is None:
            found = self._nodes[id(scope)] = list(_walk(scope))
        return found

    def calls_of(
        self, function: Definition, given: Mapping[str, str], later: frozenset[str]
    ) -> list[tuple[ast.AST, Definition | str]]:
        """Return what a whole function calls; parameters as for `reached`, which comes to the same ones by many ways."""
        key = (id(function.node), function.owner, tuple(map(id, function.scope)), frozenset(given.items()), later)
        if key not in self._calls:
            reader = Reader(self, function, given, later)
            self._calls[key] = list(reader.calls(children_of(function.node)))
        return self._calls[key]

    def _collect(self, module: str, tree: ast.Module) -> None:
        for node in tree.body:
            if isinstance(node, Function):
                self.functions[f"{module}.{node.name}"] = Definition(module, "", node, (), node.lineno)
            elif isinstance(node, ast.ClassDef):
                made = self.classes[f"{module}.{node.name}"] = Class(node.name, module, node)
                for part in node.body:
                    if isinstance(part, Function):
                        made.methods[part.name] = Definition(module, node.name, part, (), part.lineno)

    @cached_property
    def by_method(self) -> dict[str, list[Definition]]:
        """Methods of all classes, by their names."""
        found: dict[str, list[Definition]] = {}
        for each in self.classes.values():
            for name, method in each.methods.items():
                found.setdefault(name, []).append(method)
        return found

    @cached_property
    def children(self) -> dict[str, list[str]]:
        """Classes that are derived from each, directly."""
        found: dict[str, list[str]] = {}
        for dotted, each in self.classes.items():
            for base in each.node.bases:
                if known := self.resolved(each.module, base):
                    found.setdefault(known, []).append(dotted)
        return found

    def _note_attributes(self, each: Class) -> None:
        for part in each.node.body:
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                self._note(each, part.target.id, self.annotated(each.module, part.annotation, each.name))
            elif isinstance(part, Function) and _is_property(part):
                self._note(each, part.name, self.annotated(each.module, part.returns, each.name))
        for method in each.methods.values():
            local = self._parameters(method)
            for node in self.nodes(method.node):
                target = node.target if isinstance(node, ast.AnnAssign) else None
                if isinstance(node, ast.Assign) and len(node.targets) == 1:
                    target = node.targets[0]
                if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
                    if isinstance(node, ast.AnnAssign):
                        self._note(each, target.attr, self.annotated(each.module, node.annotation, each.name))
                    elif isinstance(node, ast.Assign):
                        self._note(each, target.attr, self._made(each.module, node.value, local))

    def _made(self, module: str, value: ast.AST, local: Mapping[str, str]) -> str:
        """Return the type of an assigned value: a parameter, or a new instance."""
        if isinstance(value, ast.BoolOp):
            return next((known for part in value.values if (known := self._made(module, part, local))), "")
        if isinstance(value, ast.Name):
            return local.get(value.id, "")
        if isinstance(value, ast.Attribute):
            owner = self._made(module, value.value, local)
            return self.attribute(owner, value.attr) if owner else ""
        if isinstance(value, ast.Call):
            called = self.resolved(module, value.func)
            return called if called in self.classes else ""
        return ""

    @staticmethod
    def _note(each: Class, attribute: str, kind: str) -> None:
        if kind:
            each.attributes.setdefault(attribute, kind)

    def resolved(self, module: str, node: ast.AST, within: Mapping[str, str] | None = None) -> str:
        """Return the dotted name that a name or an attribute of a module means; empty: not known."""
        if isinstance(node, ast.Subscript):
            return self.resolved(module, node.value, within)
        if isinstance(node, ast.Name):
            known = (within or {}).get(node.id) or self.names[module].get(node.id, "")
            if known:
                return self._followed(known)
            own = f"{module}.{node.id}"
            if own in self.classes or own in self.functions:
                return own
            return f"builtins.{node.id}" if hasattr(builtins, node.id) else ""
        if isinstance(node, ast.Attribute):
            before = self.resolved(module, node.value, within)
            return self._followed(f"{before}.{node.attr}") if before else ""
        return ""

    def _followed(self, dotted: str) -> str:
        """Return where a name that a package only passes on is defined."""
        for _ in range(5):
            if dotted in self.classes or dotted in self.functions or dotted in self.trees:
                return dotted
            module, _, name = dotted.rpartition(".")
            if module not in self.names or name not in self.names[module]:
                return dotted
            dotted = self.names[module][name]
        return dotted

    def annotated(self, module: str, node: ast.AST | None, own: str = "") -> str:
        """Return the class that an annotation names; a union's first one, the yielded one of an iterator."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node = ast.parse(node.value, mode="eval").body
        if isinstance(node, ast.BinOp):
            return self.annotated(module, node.left, own) or self.annotated(module, node.right, own)
        if isinstance(node, ast.Subscript):
            if ast.unparse(node.value) in {"Iterator", "Generator", "AbstractContextManager"}:
                first = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node.slice
                return self.annotated(module, first, own)
            if ast.unparse(node.value) in {"Mapping", "dict", "Sequence", "list", "tuple", "Iterable", "Collection"}:
                first = node.slice.elts[-1] if isinstance(node.slice, ast.Tuple) else node.slice
                return f"[]{self.annotated(module, first, own)}"
        if node is None:
            return ""
        if isinstance(node, ast.Name) and node.id == "Self" and own:
            return f"{module}.{own}"
        found = self.resolved(module, node)
        return "" if found.startswith("builtins.") else found

    def _parameters(self, function: Definition) -> dict[str, str]:
        node = function.node
        if not isinstance(node, Function):
            return {}
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        found = {each.arg: self.annotated(function.module, each.annotation, function.owner) for each in arguments}
        if function.owner and arguments:
            found.setdefault(arguments[0].arg, "")
            found[arguments[0].arg] = found[arguments[0].arg] or f"{function.module}.{function.owner}"
        return {name: kind for name, kind in found.items() if kind}

    def method(self, owner: str, name: str) -> list[Definition]:
        """Return the methods that a call of `name` on a value of a class may mean: its own or inherited, and overriding ones."""
        if owner not in self.classes:
            return []
        found = [own] if (own := self._inherited(owner, name)) else []
        waiting = list(self.children.get(owner, ()))
        if not found or self._is_protocol(owner):
            waiting += [
                f"{each.module}.{each.owner}" for each in self.by_method.get(name, ()) if self._is_protocol(owner)
            ]
        while waiting:
            each = waiting.pop()
            if name in self.classes[each].methods and self.classes[each].methods[name] not in found:
                found.append(self.classes[each].methods[name])
            waiting += self.children.get(each, ())
        return found

    def _is_protocol(self, owner: str) -> bool:
        if owner not in self._protocols:
            self._protocols[owner] = any("Protocol" in ast.unparse(base) for base in self.classes[owner].node.bases)
        return self._protocols[owner]

    def _inherited(self, owner: str, name: str) -> Definition | None:
        each = self.classes.get(owner)
        if each is None:
            return None
        if name in each.methods:
            return each.methods[name]
        bases = (self.resolved(each.module, base) for base in each.node.bases)
        return next((found for base in bases if (found := self._inherited(base, name))), None)

    def attribute(self, owner: str, name: str) -> str:
        """Return the type of an attribute of a class."""
        each = self.classes.get(owner)
        if each is None:
            return ""
        if name in each.attributes:
            return each.attributes[name]
        bases = (self.resolved(each.module, base) for base in each.node.bases)
        return next((found for base in bases if (found := self.attribute(base, name))), "")


class Reader:
    """Reader of one function: what its names are, and what it calls."""

    def __init__(
        self, code: CodeBase, function: Definition, given: Mapping[str, str], later: frozenset[str] = frozenset()
    ) -> None:
        """`given`: what parameters of a lambda are, by their names: nothing annotates them. `later`: as for `reached`."""
        self._code = code
        self._function = function
        self._given = given
        self._later = later
        self._module = function.module
        self._imports: dict[str, str] = {}
        self._local: dict[str, str] = {}
        self._nested: dict[str, Function] = {}
        for scope in (*function.scope, function.node):
            self._read(scope)

    def _read(self, scope: ast.AST) -> None:
        nodes = self._code.nodes(scope)
        self._imports |= dict(_imported(nodes))
        self._local |= self._code._parameters(Definition(self._module, self._function.owner, scope))
        for node in nodes:
            if isinstance(node, Function) and node is not scope:
                self._nested[node.name] = node
        for node in nodes:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                self._bind(node.targets[0], node.value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                if kind := self._code.annotated(self._module, node.annotation, self._function.owner):
                    self._local[node.target.id] = kind
            elif isinstance(node, ast.Lambda):
                self._local |= {each.arg: self._given[each.arg] for each in node.args.args if each.arg in self._given}
            elif isinstance(node, ast.With):
                for item in node.items:
                    if item.optional_vars is not None:
                        self._bind(item.optional_vars, item.context_expr)
            elif isinstance(node, ast.For | ast.comprehension):
                kind = self.type_of(node.iter)
                if isinstance(node.target, ast.Name) and kind.startswith("[]") and kind != "[]":
                    self._local[node.target.id] = kind[2:]

    def _bind(self, target: ast.AST, value: ast.AST) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for each, part in zip(target.elts, value.elts, strict=True):
                self._bind(each, part)
        kind = self.type_of(value)
        if isinstance(target, ast.Name) and kind:
            self._local[target.id] = kind

    def type_of(self, node: ast.AST) -> str:
        """Return the class of an expression; empty: not known."""
        if isinstance(node, ast.Name):
            return self._local.get(node.id, "")
        if isinstance(node, ast.Attribute):
            owner = self.type_of(node.value)
            return self._code.attribute(owner, node.attr) if owner else ""
        if isinstance(node, ast.IfExp):
            return self.type_of(node.body) or self.type_of(node.orelse)
        if isinstance(node, ast.BoolOp):
            return next((kind for each in node.values if (kind := self.type_of(each))), "")
        if isinstance(node, ast.Subscript):
            return self.type_of(node.value).removeprefix("[]")
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in {"values", "get", "all"}:
                kind = self.type_of(node.func.value)
                if kind.startswith("[]"):
                    return kind if node.func.attr == "values" else kind[2:]
            name = self._code.resolved(self._module, node.func, self._imports)
            if name in self._code.classes:
                return name
            for called in self._targets(node.func):
                if isinstance(called, Definition) and isinstance(called.node, Function):
                    return self._code.annotated(called.module, called.node.returns, called.owner)
        return ""

    def calls(self, body: Iterable[ast.AST]) -> Iterator[tuple[ast.AST, Definition | str]]:
        """Yield what is called: a function of the product, or the name of something else."""
        for node in _own_nodes(body, self._later):
            if isinstance(node, ast.Call):
                for target in self._targets(node.func):
                    yield node, target
                for argument in (*node.args, *(each.value for each in node.keywords)):
                    if isinstance(argument, ast.Name | ast.Attribute):  # it may be called by what it's given to
                        for target in self._targets(argument, passed=True):
                            if isinstance(target, Definition):
                                yield node, target
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                owner = self.type_of(node.value)
                found = self._code._inherited(owner, node.attr) if owner else None
                if found is not None and _is_property(found.node):
                    yield node, found

    def _targets(self, node: ast.AST, *, passed: bool = False) -> Iterator[Definition | str]:
        if isinstance(node, ast.Name) and node.id in self._nested:
            inner = self._nested[node.id]
            yield Definition(
                self._module, self._function.owner, inner, (*self._function.scope, self._function.node), inner.lineno
            )
            return
        if isinstance(node, ast.Name) and node.id in self._local:
            if not passed:
                yield from self._code.method(self._local[node.id], "__call__")
            return
        dotted = self._code.resolved(self._module, node, self._imports)
        if dotted in self._code.functions:
            yield self._code.functions[dotted]
        elif dotted in self._code.classes:
            for name in ("__init__", "__post_init__", "__enter__"):
                yield from self._code.method(dotted, name)[:1]
        elif dotted and (owner := dotted.rpartition(".")[0]) in self._code.classes:
            yield from self._code.method(owner, dotted.rpartition(".")[2])
        elif dotted:
            yield dotted
        elif isinstance(node, ast.Attribute):
            yield from self._methods(node, passed=passed)

    def _methods(self, node: ast.Attribute, *, passed: bool) -> Iterator[Definition | str]:
        if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "super":
            owner = self._code.classes.get(f"{self._module}.{self._function.owner}")
            for base in owner.node.bases if owner else ():
                if found := self._code._inherited(self._code.resolved(self._module, base), node.attr):
                    yield found
            return
        owner_type = self.type_of(node.value)
        if owner_type:
            found_methods = self._code.method(owner_type, node.attr)
            yield from found_methods
            if not found_methods and not owner_type.startswith("[]"):
                yield f"{owner_type}.{node.attr}"
            return
        if passed or isinstance(node.value, ast.Constant | ast.JoinedStr):
            return
        if node.attr not in COMMON:
            found = self._code.by_method.get(node.attr, [])
            yield from found
            if not found:
                yield f"?.{node.attr}"


def _imported(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """Yield the names that imports bind."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0],) * 2


def _top(tree: ast.Module) -> Iterator[ast.AST]:
    for node in tree.body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from node.body


def _own_nodes(body: Iterable[ast.AST], later: frozenset[str]) -> Iterator[ast.AST]:
    """Yield the nodes of a block; not those of functions that it only defines or puts off, but those of lambdas."""
    waiting = [*body][::-1]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Function | ast.ClassDef) and not _is_put_off(node, later):
            yield node
            waiting += [*children_of(node)][::-1]


def _walk(scope: ast.AST) -> Iterator[ast.AST]:
    """Do what `ast.walk` does, in its order, without what has no nodes below it and says nothing: ``Load``, operators."""
    waiting = deque([scope])
    while waiting:
        node = waiting.popleft()
        waiting.extend(children_of(node))
        yield node


def children_of(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes directly below one, but for those that say nothing."""
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            yield from (each for each in value if isinstance(each, ast.AST) and each._fields)
        elif isinstance(value, ast.AST) and value._fields:
            yield value


def _is_put_off(node: ast.AST, later: frozenset[str]) -> bool:
    """Whether it is a call like ``store.after_commit.append(...)``."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return isinstance(node.func.value, ast.Attribute) and node.func.value.attr in later


def _is_property(node: ast.AST) -> bool:
    return isinstance(node, Function) and any("property" in ast.unparse(each) for each in node.decorator_list)


def reached(
    code: CodeBase,
    start: Definition,
    body: Iterable[ast.AST],
    given: Mapping[str, str],
    later: frozenset[str] = frozenset(),
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each function that a block may call, and each name beyond the product, with the way to it.

    `given`: name of a lambda's parameter -> its class. `later`: attributes that hold what is called afterwards.
    """
    seen: set[tuple[str, int]] = set()
    first = Reader(code, start, given, later).calls(body)
    waiting: list[tuple[tuple[str, ...], Definition, Iterable[tuple[ast.AST, Definition | str]]]] = [((), start, first)]
    while waiting:
        way, function, calls = waiting.pop()
        for node, target in calls:
            if isinstance(target, str):
                yield (*way, f"{function.module}:{getattr(node, 'lineno', 0)}"), target
            elif (target.module, target.line) not in seen:
                seen.add((target.module, target.line))
                step = (*way, f"{function.module}:{getattr(node, 'lineno', 0)}", target.name)
                yield step, target.name
                waiting.append((step, target, code.calls_of(target, given, later)))
