"""Calls of hooks: every hook of a module's life, of one module at a time, in its own try."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pluggy

from agent import hookspecs
from agent.contract.context import ChainFacts, Change, Consequence, Context
from agent.contract.endpoint import Endpoint
from agent.contract.file import ChainFile, Template, Text
from agent.contract.module import Module
from agent.contract.plugin_settings import PluginSettings
from agent.errors.plugin import DeclarationRefused, ModuleRaised, PolicyRaised
from agent.errors.wording import few
from agent.model.need import HostFacts, Need
from agent.registry.contract_checks import METHODS, implementations, shows_without_endpoint
from agent.registry.places import place_of_code
from agent.system.activity import HOOK_SECONDS, Activity
from agent.system.command import Action, Command, Signal
from agent.system.names import is_address, parse_name

T = TypeVar("T")
AVOIDED = (
    "it hung, or a process died of it, more than once; it is asked again when a file has changed, or after a while"
)
Caller = Callable[..., Any]
MOST_NAMES = 2000
"""Host names that one module may have resolved."""


class _Manager(pluggy.PluginManager):
    """Plugin manager that looks for hooks in a class of modules once, not in each instance (4 ms)."""

    def __init__(self) -> None:
        super().__init__("chainwright")
        self.add_hookspecs(hookspecs)
        self._marked: dict[type, frozenset[str]] = {}

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """Return the options of a hook's implementation; None: it is none."""
        if isinstance(plugin, Module | PluginSettings) and name not in self._marks(type(plugin)):
            return None
        return super().parse_hookimpl_opts(plugin, name)

    def _marks(self, kind: type[Module | PluginSettings]) -> frozenset[str]:
        if kind not in self._marked:
            self._marked[kind] = frozenset(each.attribute for each in implementations(kind))
        return self._marked[kind]


class Hooks:
    """Hooks of the enabled modules and of the plugins that wrap them, in a plugin manager of their own.

    Each method raises `ModuleRaised` for anything that a plugin raises, and `DeclarationRefused` for an answer of the wrong type.
    """

    def __init__(self, modules: Mapping[str, Module], plugins: Mapping[str, object]) -> None:
        self._modules = dict(modules)
        self._manager = _Manager()
        self._callers: dict[tuple[str, str], Caller] = {}
        self._policies = {str(getattr(plugin, "__file__", "")): name for name, plugin in plugins.items()}
        for name, plugin in plugins.items():
            self._manager.register(plugin, f"plugin {name}")
        for name, module in modules.items():
            self._manager.register(module, name)
        self.activity = Activity()
        """What tells others which hook is asked."""
        self.avoided: frozenset[str] = frozenset()
        """Plugins whose modules are not asked: they have hung, or the process has died of them."""

    def needs(self, module: str, host: HostFacts) -> list[Need]:
        """Ask what chains the module wants; owner filled in, each slot once."""
        found = self._several("declare_needs", module, (Need,), host=host)
        slots = [need.slot for need in found]
        twice = next((slot for slot in slots if slots.count(slot) > 1), None)
        if twice is not None:
            raise self._refused(module, "declare_needs", f'it has the slot "{twice}" twice')
        return [need.of(module) for need in found]

    def names_to_resolve(self, module: str, host: HostFacts) -> list[str]:
        """Ask which host names the module needs addresses of: those that have to be looked up, each once."""
        found = self._several("names_to_resolve", module, (str,), host=host)
        if len(found) > MOST_NAMES:
            raise self._refused(module, "names_to_resolve", f"it has {len(found)} names, more than {MOST_NAMES}")
        odd = next((number for number, name in enumerate(found, 1) if not _is_host(name)), None)
        if odd is not None:
            raise self._refused(module, "names_to_resolve", f"name {odd} of {len(found)} is no host name in lower case")
        return [name for name in dict.fromkeys(found) if name != "localhost" and not is_address(name)]

    def receive(self, module: str, chains: Mapping[str, ChainFacts]) -> list[ChainFile]:
        """Ask what files of key and chain parts come of `chains`."""
        return self._several("receive_chains", module, (ChainFile,), chains=chains)

    def render(self, module: str, context: Context) -> list[Template | Text]:
        """Ask for the configuration files."""
        return self._several("render_files", module, (Template, Text), context=context)

    def prepare(self, module: str, context: Context) -> list[Command]:
        """Ask for the commands that run in the staging directory."""
        return self._several("prepare_command", module, (Command,), context=context)

    def check(self, module: str, context: Context) -> Command | None:
        """Ask for the service's own test."""
        answer: Command | None = self._one("check_command", module, (Command,), context=context)
        return answer

    def reload(self, module: str, context: Context) -> Action | None:
        """Ask for what makes the service read its files again."""
        answer: Action | None = self._one("reload_command", module, (Command, Signal), context=context)
        return answer

    def confirm(self, module: str, context: Context) -> Command | None:
        """Ask for what shows that the service runs a generation."""
        answer: Command | None = self._one("confirm_command", module, (Command,), context=context)
        return answer

    def observe(self, module: str, context: Context) -> Command | None:
        """Ask for what prints how the service is that runs."""
        answer: Command | None = self._one("observe_command", module, (Command,), context=context)
        return answer

    def mend(self, module: str, context: Context, subject: str) -> Command | None:
        """Ask for what tries to end an observed state."""
        answer: Command | None = self._one("mend_command", module, (Command,), context=context, subject=subject)
        return answer

    def probes(self, module: str, context: Context) -> list[Endpoint]:
        """Ask where each slot's chain is seen."""
        return self._several("probes", module, (Endpoint,), context=context)

    def check_endpoints(self, module: str, context: Context) -> None:
        """Raise `DeclarationRefused` where what a module says of its endpoints can't be right for the chains of `context`."""
        found = self.probes(module, context)
        slots = [*dict.fromkeys([*(need.slot for need in self.needs(module, context.host)), *context.chains])]
        lost = next((each for each in found if each.slot not in slots), None)
        if lost is not None:
            reason = (
                f'the endpoint {lost} is of the slot "{lost.slot}", and the module asks for: {few(slots) or "none"}'
            )
            raise self._refused(module, "probes", reason)
        if (
            context.chains
            and not found
            and not shows_without_endpoint(self._modules[module], context.services.values())
        ):
            raise self._refused(
                module, "probes", 'it is empty, and neither "unprobed" nor "confirm" says what shows its chains'
            )

    def _refused(self, module: str, hook: str, reason: str) -> DeclarationRefused:
        method = getattr(type(self._modules[module]), METHODS[hook])
        return DeclarationRefused(module, hook, reason, place_of_code(method))

    def inspect(self, module: str, context: Context) -> Command | None:
        """Ask for a command that prints what runs now."""
        answer: Command | None = self._one("inspect_command", module, (Command,), context=context)
        return answer

    def consequences(self, module: str, change: Change, observed: str) -> list[Consequence]:
        """Ask what `change` would break."""
        return self._several("consequences_of", module, (Consequence,), change=change, observed=observed)

    def _several(self, hook: str, module: str, kinds: tuple[type, ...], **arguments: object) -> list[Any]:
        """Flatten one level: each implementation returns a list, and a wrapper may return a flat one."""
        answer = self._ask(hook, module, lambda caller: _flat(caller(**arguments)))
        for each in answer:
            if not isinstance(each, kinds):
                raise self._refused(module, hook, f"it holds {_kind(each)}, only {_names(kinds)} may stand there")
        return list(answer)

    def _one(self, hook: str, module: str, kinds: tuple[type, ...], **arguments: object) -> Any:
        answer = self._ask(hook, module, lambda caller: caller(**arguments))
        if answer is not None and not isinstance(answer, kinds):
            raise self._refused(module, hook, f"it is {_kind(answer)}, not {_names(kinds)} or None")
        return answer

    def _ask(self, hook: str, module: str, call: Callable[[Caller], T]) -> T:
        plugin = type(self._modules[module]).name
        try:
            with self.activity.doing(f"plugin {plugin}", f"{hook} of the module {module}", HOOK_SECONDS):
                if plugin in self.avoided:
                    raise TimeoutError(AVOIDED)
                return call(self._caller(hook, module))
        except (Exception, SystemExit) as error:
            policy = self._policy_of(error, module)
            raise (
                PolicyRaised(module, hook, error, policy) if policy else ModuleRaised(module, hook, error)
            ) from error

    def _policy_of(self, error: BaseException, module: str) -> str:
        """Return the plugin that wraps the hook and raised; empty: it was the module itself."""
        own = getattr(sys.modules.get(type(self._modules[module]).__module__), "__file__", None)
        files = [each.filename for each in traceback.extract_tb(error.__traceback__)]
        return next((self._policies[file] for file in reversed(files) if file in self._policies and file != own), "")

    def _caller(self, hook: str, module: str) -> Caller:
        """Return the hook without the other modules; plugins that wrap it stay."""
        key = (hook, module)
        if key not in self._callers:
            others = [each for name, each in self._modules.items() if name != module]
            self._callers[key] = self._manager.subset_hook_caller(hook, others)
        return self._callers[key]


def _is_host(name: str) -> bool:
    """Whether a name is canonical and no wildcard."""
    try:
        return parse_name(name) == name and not name.startswith("*.")
    except ValueError:
        return False


def _flat(answers: Any) -> list[object]:
    """Return the members of lists in a list. What isn't a list is left for the check of types."""
    if not _is_several(answers):
        return [answers]
    return [member for each in answers for member in (each if _is_several(each) else [each])]


def _is_several(value: object) -> bool:
    return isinstance(value, list | tuple | set | frozenset) or inspect.isgenerator(value)


def _kind(value: object) -> str:
    """Name the type only: a value may hold a secret."""
    return "None" if value is None else f"an object of type {type(value).__name__}"


def _names(kinds: tuple[type, ...]) -> str:
    return " or ".join(kind.__name__ for kind in kinds)
