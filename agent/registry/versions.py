"""Versions of the contract that plugins are written for, and what they use of it that is deprecated."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import chainwright
from agent.contract.version import CONTRACT, Deprecation, Version, shown
from agent.errors.plugin_loading import VersionMalformed, VersionRefused
from agent.registry.contract_checks import Owner
from agent.registry.implementations import implementations
from agent.registry.places import named, place_of_attribute

OLDEST = 1
"""Major version of a plugin that says none."""


def check_version(owner: Owner, plugin: object, contract: Version = CONTRACT) -> None:
    """Check ``api`` of a plugin. Raises `VersionRefused` where it needs another contract, `VersionMalformed` for no version."""
    declared = getattr(plugin, "api", OLDEST)
    wanted = _version(declared)
    place = "" if wanted and _is_kept(wanted, contract) else place_of_attribute(plugin, "api")
    if wanted is None:
        raise VersionMalformed(owner.plugin, owner.origin, type(declared).__name__, str(contract[0]), place)
    if not _is_kept(wanted, contract):
        raise _refused(owner, wanted, contract, place)


def check_written_version(owner: Owner, path: Path, contract: Version = CONTRACT) -> None:
    """Check ``api`` in the file or package of a plugin that can't be imported. Raises `VersionRefused`."""
    file = path / "__init__.py" if path.is_dir() else path
    try:
        body = ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return
    for node in body:
        wanted = _written(node) if named(node) == ["api"] else None
        if wanted and not _is_kept(wanted, contract):
            raise _refused(owner, wanted, contract, f"{file}:{node.lineno}")


def _written(node: ast.stmt) -> Version | None:
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    try:
        return _version(ast.literal_eval(value)) if value else None
    except ValueError:
        return None


def _is_kept(wanted: Version, contract: Version) -> bool:
    return wanted[0] == contract[0] and wanted[1] <= contract[1]


def _refused(owner: Owner, wanted: Version, contract: Version, place: str) -> VersionRefused:
    update = "Update Chainwright, or install an older release of the plugin"
    cure = update if wanted > contract else "Update the plugin"
    return VersionRefused(owner.plugin, owner.origin, shown(wanted), shown(contract), cure, place)


def _version(declared: object) -> Version | None:
    """Return what ``api = 1`` or ``api = (1, 0)`` says; None: it says nothing."""
    numbers = declared if isinstance(declared, tuple) else (declared, 0)
    if len(numbers) != 2 or any(type(each) is not int for each in numbers):
        return None
    return numbers


def notices_of(plugin: object, classes: Iterable[type], deprecated: Mapping[str, Deprecation]) -> Iterator[str]:
    """Yield a sentence for each deprecated name, hook or attribute that a plugin or a class of it uses."""
    for name, found in sorted(deprecated.items()):
        if _answers(plugin, name) or _imports(plugin, name) or any(_overrides(each, name) for each in classes):
            since = f'It uses "{name}", which is deprecated since version {shown(found.since)} of the plugin contract'
            yield f'{since}: use "{found.instead}" instead.'


def _answers(plugin: object, hook: str) -> bool:
    return any(each.hook == hook for each in implementations(plugin))


def _overrides(kind: type, name: str) -> bool:
    """Whether a class has an attribute of its own, not the contract's."""
    return any(name in vars(each) for each in kind.__mro__ if not each.__module__.startswith("agent."))


def _imports(plugin: object, name: str) -> bool:
    """Whether the Python module of a plugin holds a public name, whatever it calls it there."""
    if name not in chainwright.__all__:
        return False
    module = inspect.getmodule(plugin) or plugin
    return any(each is getattr(chainwright, name) for each in vars(module).values())
