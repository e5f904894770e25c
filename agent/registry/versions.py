"""Versions of the contract that plugins are written for, and what they use of it that is deprecated."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping

import chainwright
from agent.contract.version import CONTRACT, Deprecation, Version, shown
from agent.errors.plugin import VersionMalformed, VersionRefused
from agent.registry.contract_checks import Owner, implementations
from agent.registry.places import place_of_attribute

OLDEST = 1
"""Major version of a plugin that says none."""


def check_version(owner: Owner, plugin: object, contract: Version = CONTRACT) -> None:
    """Check ``api`` of a plugin. Raises `VersionRefused` where it needs another contract, `VersionMalformed` for no version."""
    declared = getattr(plugin, "api", OLDEST)
    wanted = _version(declared)
    if wanted is None:
        place = place_of_attribute(plugin, "api")
        raise VersionMalformed(owner.plugin, owner.origin, type(declared).__name__, str(contract[0]), place)
    if wanted[0] != contract[0] or wanted[1] > contract[1]:
        update = "Update Chainwright, or install an older release of the plugin"
        cure = update if wanted > contract else "Update the plugin"
        place = place_of_attribute(plugin, "api")
        raise VersionRefused(owner.plugin, owner.origin, shown(wanted), shown(contract), cure, place)


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
