"""Checks of the plugin contract: hooks that exist, classes that are complete."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from pydantic import BaseModel

from agent.contract.declaration import Declaration
from agent.contract.dns_solver import DnsSolver
from agent.contract.file import ChainFile, File
from agent.contract.module import Module
from agent.contract.notifier import Notifier
from agent.contract.placeholders import IN_COMMANDS, misspelt, misspelt_in_file
from agent.contract.plugin_settings import PluginSettings
from agent.contract.service import Service
from agent.contract.source import Source
from agent.errors.plugin_loading import (
    ContributionRefused,
    HookAsync,
    HookMisplaced,
    HookUnmarked,
    NotAContribution,
    UnknownArgument,
    UnknownHook,
    WrapperWithoutYield,
)
from agent.pki.key import KeyType
from agent.registry.class_checks import at_line, mistakes
from agent.registry.implementations import Implementation, attributes_of, hook_arguments, implementations
from agent.registry.life_hooks import LIFE, MODULE_HOOKS
from agent.registry.places import place_of_attribute, place_of_code

NAME = re.compile(r"[a-z0-9_][a-z0-9_-]{0,63}")
"""Of plugins, modules, instances, services and sources: also names of directories."""
NAME_RULE = 'must be lower-case letters, digits, "_" or "-", at most 64'
COMMANDS = ("prepare", "check", "reload", "confirm", "inspect")
"""Attributes of a module's class that hold commands."""
CORE_KEYS = frozenset({"enabled", "plugin"})
"""Keys of ``[modules.NAME]`` and ``[notify.NAME]`` that the loader consumes."""
SOLVER_KEYS = CORE_KEYS | {"zones", "timeout", "check_servers"}
"""The same of ``[dns.NAME]``."""
PLUGIN_KEYS = frozenset({"enabled"})
"""The same of ``[plugins.NAME]``."""

TO_THE_TOP = "Move it to the top level of the plugin"
"""Cure of a ``register_...`` hook in a class."""
SETTINGS = "settings"
"""The one contribution that is a class by itself, with the name of its plugin."""

CONTRIBUTIONS: Mapping[str, tuple[str, type[BaseModel]]] = {
    "register_modules": ("module", Module),
    "register_services": ("service", Service),
    "register_sources": ("source", Source),
    "register_dns_solvers": ("DNS solver", DnsSolver),
    "register_notifiers": ("notifier", Notifier),
    "register_settings": (SETTINGS, PluginSettings),
}
"""The hooks that return classes, with the word for them and what they must be."""
RESERVED: Mapping[str, frozenset[str]] = {
    "module": CORE_KEYS,
    "notifier": CORE_KEYS,
    "DNS solver": SOLVER_KEYS,
    SETTINGS: PLUGIN_KEYS,
}
"""Keys that no setting of a kind may have."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Plugin and origin that an error names."""

    plugin: str
    origin: str
    """Distribution and version, or file."""

    def __str__(self) -> str:
        return f"{self.plugin} ({self.origin})"


def check_hooks(owner: Owner, plugin: object) -> None:
    """Raise the first reason why the hooks of a plugin, or of the class of its settings, can't be asked."""
    known = hook_arguments()
    for each in implementations(plugin):
        _check_known(owner, plugin, each, known)
        if inspect.isclass(plugin) and each.hook.startswith("register_"):
            place = place_of_attribute(plugin, each.attribute)
            raise HookMisplaced(owner.plugin, owner.origin, each.hook, "a plugin's settings", TO_THE_TOP, place)
        if each.hook in LIFE and not each.wrapper:
            kind = "Module" if each.hook in MODULE_HOOKS else "Service"
            cure = f"Make it a method of a {kind} class, or wrap the hook: @hookimpl(wrapper=True)"
            place = place_of_attribute(plugin, each.attribute)
            raise HookMisplaced(owner.plugin, owner.origin, each.hook, "a plugin as a whole", cure, place)
    _check_unmarked(owner, plugin, known)


def _check_unmarked(owner: Owner, plugin: object, known: Mapping[str, tuple[str, ...]]) -> None:
    """Raise `HookUnmarked` for a function of the plugin's own, or a method of its settings, that is called like a hook."""
    in_class = inspect.isclass(plugin)
    home = getattr(plugin, "__module__" if in_class else "__name__", None)
    for attribute, function in attributes_of(plugin):
        own = inspect.isfunction(function) and function.__module__ == home and not hasattr(function, "chainwright_impl")
        if own and attribute in known and (in_class or attribute not in LIFE):
            raise HookUnmarked(owner.plugin, owner.origin, attribute, place_of_attribute(plugin, attribute))


def check_declared_hooks(owner: Owner, declaration: type[Declaration]) -> None:
    """Raise the first reason why what is marked in a module's or service's class can't be asked."""
    known = hook_arguments()
    for each in implementations(declaration):
        _check_known(owner, declaration, each, known)
        if each.hook.startswith("register_"):
            kind = "module" if issubclass(declaration, Module) else "service"
            place = place_of_attribute(declaration, each.attribute)
            raise HookMisplaced(owner.plugin, owner.origin, each.hook, f"a {kind}", TO_THE_TOP, place)


def _check_known(owner: Owner, thing: object, found: Implementation, known: Mapping[str, tuple[str, ...]]) -> None:
    if found.hook not in known:
        if found.optional:
            return
        close = difflib.get_close_matches(found.hook, known, 1)
        place = place_of_attribute(thing, found.attribute)
        raise UnknownHook(owner.plugin, owner.origin, found.hook, close[0] if close else None, place)
    if found.awaited:
        raise HookAsync(owner.plugin, owner.origin, found.hook, place_of_attribute(thing, found.attribute))
    if found.wrapper and not found.yields:
        place = place_of_attribute(thing, found.attribute)
        raise WrapperWithoutYield(owner.plugin, owner.origin, found.hook, place)
    for argument in found.arguments:
        if argument not in known[found.hook]:
            place = place_of_attribute(thing, found.attribute)
            raise UnknownArgument(owner.plugin, owner.origin, found.hook, argument, known[found.hook], place)


def classes(owner: Owner, plugin: object, hook: str, returned: object) -> list[type[BaseModel]]:
    """Return the classes in what a plugin's answers to `hook` returned. Raises `NotAContribution`."""
    kind, base = CONTRIBUTIONS[hook]
    if kind == SETTINGS:
        found, shown = [returned], _kind(returned)
    elif isinstance(returned, list | tuple | set | frozenset):
        wrong = next((each for each in returned if not _is_class(each, base)), None)
        found, shown = list(returned), f"a list with {_kind(wrong)}"
    else:
        found, shown = [None], _kind(returned)
    kept = [each for each in found if _is_class(each, base)]
    if len(kept) == len(found):
        return kept
    place = next(
        (place_of_attribute(plugin, each.attribute) for each in implementations(plugin) if each.hook == hook), ""
    )
    several = kind != SETTINGS
    raise NotAContribution(owner.plugin, owner.origin, hook, shown, base.__name__, several=several, place=place)


def _is_class(each: object, base: type) -> TypeGuard[type[BaseModel]]:
    return inspect.isclass(each) and issubclass(each, base)


def _kind(value: object) -> str:
    """Name the type only: a value may hold a secret."""
    if inspect.isclass(value):
        return value.__name__
    return "None" if value is None else type(value).__name__


def check_class(owner: Owner, hook: str, each: type[BaseModel]) -> None:
    """Raise `ContributionRefused` with all that is wrong with a contributed class, or missing in it."""
    kind, base = CONTRIBUTIONS[hook]
    if issubclass(each, PluginSettings):
        check_hooks(owner, each)
    if issubclass(each, Declaration):
        check_declared_hooks(owner, each)
    reasons = [*(() if kind == SETTINGS else _name_reasons(each)), *_missing_methods(each)]
    if issubclass(each, Module):
        reasons += _module_reasons(each)
    if issubclass(each, Service) and each.reload_command is Service.reload_command:
        reasons.append('it has no "reload_command"')
    if issubclass(each, DnsSolver):
        reasons += _solver_reasons(each)
    reasons += mistakes(each, base, hook_arguments(), RESERVED.get(kind, ()))
    if reasons:
        raise ContributionRefused(owner.plugin, owner.origin, kind, each.__name__, reasons, place_of_code(each))


def _name_reasons(each: Any) -> Iterator[str]:
    if not each.name:
        yield "it has no name"
    elif not (isinstance(each.name, str) and NAME.fullmatch(each.name)):
        yield at_line(each, "name", f'its name "{each.name}" {NAME_RULE}')


def _missing_methods(each: type) -> Iterator[str]:
    for method in sorted(getattr(each, "__abstractmethods__", ())):
        yield f'it has no "{method}"'


def _solver_reasons(solver: type[DnsSolver]) -> Iterator[str]:
    for one, all_of_them in (("present", "present_all"), ("clean_up", "clean_up_all")):
        if all(getattr(solver, each) is getattr(DnsSolver, each) for each in (one, all_of_them)):
            yield f'it has neither "{one}" nor "{all_of_them}"'


def _module_reasons(module: type[Module]) -> Iterator[str]:
    if not (module.title or module.__doc__):
        yield "it has neither a docstring nor a title"
    if _plain(module, "declare_needs"):
        yield 'it has no "declare_needs"'
    if not module.services and not module.reload and _plain(module, "reload_command"):
        yield 'it has none of "reload", "reload_command" and "services"'
    if _plain(module, "probes") and not (module.unprobed or _confirms(module)):
        yield 'it has no "probes", and neither "unprobed" nor "confirm" says what shows its chains'
    yield from _tuple_reasons(module)
    yield from (at_line(module, "files", reason) for reason in _file_reasons(module))
    yield from _placeholder_reasons(module)


def shows_without_endpoint(module: Module, services: Iterable[object]) -> bool:
    """Whether something else than an endpoint shows what a module's service runs, or the plugin says that nothing can."""
    kinds = [each for each in services if isinstance(each, Service)]
    by_service = any(each.reload_proves or type(each).confirm_command is not Service.confirm_command for each in kinds)
    return bool(module.unprobed) or _confirms(type(module)) or by_service


def _confirms(module: type[Module]) -> bool:
    return bool(module.confirm) or not _plain(module, "confirm_command")


def _plain(module: type[Module], method: str) -> bool:
    """Whether a method is not overridden."""
    return getattr(module, method) is getattr(Module, method)


def _tuple_reasons(module: type[Module]) -> Iterator[str]:
    for attribute in ("services", *COMMANDS):
        if not _is_tuple(getattr(module, attribute), str):
            yield at_line(module, attribute, f'"{attribute}" must be a tuple of texts, for example ("nginx",)')
    if not (_is_tuple(module.key_types, KeyType) and module.key_types):
        yield at_line(module, "key_types", '"key_types" must be a tuple of KeyType that is not empty')
    if not _is_tuple(module.files, File):
        yield at_line(module, "files", '"files" must be a tuple of ChainFile, Template or Text')


def _file_reasons(module: type[Module]) -> Iterator[str]:
    files = module.files if _is_tuple(module.files, File) else ()
    for file in files:
        allowed = 0o640 if isinstance(file, ChainFile) and file.secret else 0o770
        if file.mode & ~allowed:
            limit = "holds a key: 0600 or 0640" if allowed == 0o640 else "at most 0770"
            yield f'the mode of "{file.path}" is {file.mode:04o} ({limit})'
        if file.publish is not None and not str(file.publish).startswith(("/", "{run}/")):
            yield f'"{file.path}" is published to "{file.publish}", which is no absolute path'
    paths = [file.path for file in files]
    for path in sorted({path for path in paths if paths.count(path) > 1}):
        yield f'the file "{path}" is declared twice'


def _placeholder_reasons(module: type[Module]) -> Iterator[str]:
    for attribute in COMMANDS:
        argv = getattr(module, attribute)
        for reason in misspelt(argv, IN_COMMANDS) if _is_tuple(argv, str) else ():
            yield at_line(module, attribute, f'in "{attribute}" {reason}')
    for file in module.files if _is_tuple(module.files, File) else ():
        for reason in misspelt_in_file(file):
            yield at_line(module, "files", f'in the file "{file.path}" {reason}')


def _is_tuple(value: object, kind: type) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, kind) for each in value)
