"""Public API of Chainwright as text that griffe reads again: what `chainwright` names, and the hooks. Nothing is imported."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import griffe

from support.paths import CHECKOUT

SHOWN_PRIVATE = ("__init__", "__str__")
"""What of the names with an underscore belongs to the API, where a class has it itself."""
CONSTRUCTED = "__init__"


@cache
def loaded() -> griffe.ModulesCollection:
    """Read the code, once."""
    loader = griffe.GriffeLoader(search_paths=[CHECKOUT])
    for package in ("chainwright", "agent", "plugins"):
        loader.load(package)
    return loader.modules_collection


def public_objects(names: list[str]) -> dict[str, griffe.Object]:
    """Return what stands behind each name of `chainwright`."""
    module = loaded()["chainwright"]
    return {name: _target(module.members[name]) for name in names}


def hooks() -> dict[str, griffe.Object]:
    """Return the functions of `agent.hookspecs` that plugins answer."""
    module = loaded()["agent.hookspecs"]
    return {
        name: each
        for name, each in module.members.items()
        if not each.is_alias and each.is_function and any("hookspec" in str(mark.value) for mark in each.decorators)
    }


def as_text(objects: dict[str, griffe.Object]) -> str:
    """Return signatures, fields and defaults: Python without bodies, for people and for griffe."""
    return "\n\n".join("\n".join(_lines(name, each)) for name, each in objects.items()) + "\n"


def read(name: str, text: str) -> griffe.Module:
    """Return a text that `as_text` made as what griffe compares."""
    return griffe.visit(name, CHECKOUT / f"{name}.pyi", text)


def _target(found: griffe.Object | griffe.Alias) -> griffe.Object:
    return found.final_target if found.is_alias else found


def _lines(name: str, found: griffe.Object) -> Iterator[str]:
    if found.is_class:
        yield f"class {name}({', '.join(str(base) for base in found.bases)}):"
        members = list(_members(found))
        yield from members or ["    ..."]
    elif found.is_function:
        yield f"def {name}{_signature(found)}: ..."
    else:
        yield _attribute(name, found)


def _members(owner: griffe.Object) -> Iterator[str]:
    """Yield what a class has, of its bases in this repository too, in the order in which it is written."""
    if "dataclass" in owner.labels:
        yield f"    def {CONSTRUCTED}{_signature(owner)}: ..."
    for name, member in _all(owner).items():
        if name.startswith("_") and (name not in SHOWN_PRIVATE or name in {CONSTRUCTED} & owner.labels):
            continue
        if "dataclass" in owner.labels and name == CONSTRUCTED:
            continue
        yield from (f"    {line}" for line in _member(name, member))


def _all(owner: griffe.Object) -> dict[str, griffe.Object]:
    found: dict[str, griffe.Object] = {}
    for base in reversed(owner.mro()):
        found |= {name: _target(each) for name, each in base.members.items() if not each.is_alias}
    return found | {name: each for name, each in owner.members.items() if not each.is_alias}


def _member(name: str, member: griffe.Object) -> Iterator[str]:
    if member.is_function:
        yield from (f"@{mark}" for mark in ("staticmethod", "classmethod", "abstractmethod") if _is(member, mark))
        yield f"def {name}{_signature(member)}: ..."
    elif "property" in member.labels:
        yield f"{name}: {member.annotation}  # property"
    else:
        yield _attribute(name, member)


def _is(member: griffe.Object, mark: str) -> bool:
    return any(str(each.value).rpartition(".")[2] == mark for each in member.decorators)


def _attribute(name: str, found: griffe.Object) -> str:
    annotation = f": {_class_var(found)}" if found.annotation is not None else ""
    return f"{name}{annotation}" + (f" = {found.value}" if found.value is not None else "")


def _class_var(found: griffe.Object) -> str:
    """Return an annotation, with the ClassVar that griffe makes a label of."""
    only_class = "class-attribute" in found.labels and "instance-attribute" not in found.labels
    return f"ClassVar[{found.annotation}]" if only_class else str(found.annotation)


def _signature(found: griffe.Object) -> str:
    """Return parameters and what comes back."""
    parts, starred = [], False
    for each in found.parameters:
        if each.kind is griffe.ParameterKind.var_positional:
            starred = True
        if each.kind is griffe.ParameterKind.keyword_only and not starred:
            starred = True
            parts.append("*")
        parts.append(_parameter(each))
    returns = found.returns if found.is_function else "None"
    return f"({', '.join(parts)})" + (f" -> {returns}" if returns is not None else "")


def _parameter(each: griffe.Parameter) -> str:
    stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}.get(each.kind, "")
    annotation = f": {each.annotation}" if each.annotation is not None else ""
    default = f" = {each.default}" if each.default is not None and not stars else ""
    return f"{stars}{each.name}{annotation}{default}"
