"""Calls of hooks: every hook of the life of a module or service, of one at a time, in its own try."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pluggy

from agent import hookspecs
from agent.contract.context import ChainFacts, Change, Consequence, Context, ServiceContext
from agent.contract.declaration import Declaration
from agent.contract.endpoint import Endpoint
from agent.contract.file import ChainFile, Template, Text
from agent.contract.markers import hookimpl
from agent.contract.module import Module
from agent.contract.placeholders import IN_COMMANDS, filled, misspelt, texts_in
from agent.contract.plugin_settings import PluginSettings
from agent.contract.service import Service
from agent.errors.plugin import DeclarationRefused, ModuleRaised, PolicyRaised
from agent.errors.wording import few
from agent.model.need import HostFacts, Need
from agent.registry.contract_checks import implementations, shows_without_endpoint
from agent.registry.life_hooks import LIFE, Answer, hooks_of, subject_of
from agent.registry.places import place_of_code
from agent.system.activity import HOOK_SECONDS, Activity
from agent.system.command import Action, Command
from agent.system.names import is_address, parse_name
from agent.system.places import Places

T = TypeVar("T")
AVOIDED = (
    "it hung, or a process died of it, more than once; it is asked again when a file has changed, or after a while"
)
Caller = Callable[..., Any]
MOST_NAMES = 2000
"""Host names that one module may have resolved."""
PLAIN: pluggy.HookimplOpts = {
    "wrapper": False,
    "hookwrapper": False,
    "optionalhook": False,
    "tryfirst": False,
    "trylast": False,
    "specname": None,
}
"""Options of a method that is called like the hook that it answers."""


class _Manager(pluggy.PluginManager):
    """Plugin manager that takes the methods of a module or service for answers to the hooks of their names.

    It looks for them in a class once, not in each instance (4 ms).
    """

    def __init__(self) -> None:
        super().__init__("chainwright")
        self.add_hookspecs(hookspecs)
        self._marked: dict[type, frozenset[str]] = {}

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """Return the options of a hook's implementation; None: it is none."""
        if not isinstance(plugin, Declaration | PluginSettings) or name in self._marks(type(plugin)):
            return super().parse_hookimpl_opts(plugin, name)
        return PLAIN if name in hooks_of(type(plugin)) else None

    def _marks(self, kind: type[Declaration | PluginSettings]) -> frozenset[str]:
        if kind not in self._marked:
            self._marked[kind] = frozenset(each.attribute for each in implementations(kind))
        return self._marked[kind]


class Hooks:
    """Hooks of the enabled modules, of services, and of the plugins that wrap them, in a plugin manager of their own.

    A method is called like the hook that it asks. Each raises `ModuleRaised` for anything that a plugin raises, and
    `DeclarationRefused` for an answer of the wrong type.
    """

    def __init__(
        self,
        modules: Mapping[str, Module],
        plugins: Mapping[str, object],
        services: Mapping[str, Service] | None = None,
    ) -> None:
        self._modules = dict(modules)
        self._declarations: list[Declaration] = [*modules.values(), *(services or {}).values()]
        self._manager = _Manager()
        self._callers: dict[tuple[str, Declaration], Caller] = {}
        self._policies = {str(getattr(plugin, "__file__", "")): name for name, plugin in plugins.items()}
        for name, plugin in plugins.items():
            self._manager.register(plugin, f"plugin {name}")
        for name, module in modules.items():
            module.named(name)
            self._manager.register(module, name)
        for name, service in (services or {}).items():
            self._manager.register(service, f"service {name}")
        self._manager.register(_Lists(), "lists")
        self.activity = Activity()
        """What tells others which hook is asked."""
        self.avoided: frozenset[str] = frozenset()
        """Plugins whose modules are not asked: they have hung, or the process has died of them."""

    # The life of a module

    def declare_needs(self, asked: Module, host: HostFacts) -> list[Need]:
        """Ask what chains the module wants; owner filled in, each slot once."""
        found: list[Need] = self._ask("declare_needs", asked, host=host)
        slots = [need.slot for need in found]
        twice = next((slot for slot in slots if slots.count(slot) > 1), None) if len(set(slots)) < len(slots) else None
        if twice is not None:
            raise _refused(asked, "declare_needs", f'it has the slot "{twice}" twice')
        return [need.of(asked.instance) for need in found]

    def names_to_resolve(self, asked: Module, host: HostFacts) -> list[str]:
        """Ask which host names the module needs addresses of: those that have to be looked up, each once."""
        found: list[str] = self._ask("names_to_resolve", asked, host=host)
        if len(found) > MOST_NAMES:
            raise _refused(asked, "names_to_resolve", f"it has {len(found)} names, more than {MOST_NAMES}")
        odd = next((number for number, name in enumerate(found, 1) if not _is_host(name)), None)
        if odd is not None:
            raise _refused(asked, "names_to_resolve", f"name {odd} of {len(found)} is no host name in lower case")
        return [name for name in dict.fromkeys(found) if name != "localhost" and not is_address(name)]

    def receive_chains(self, asked: Module, chains: Mapping[str, ChainFacts]) -> list[ChainFile]:
        """Ask what files of key and chain parts come of `chains`."""
        found: list[ChainFile] = self._ask("receive_chains", asked, chains=chains)
        return found

    def render_files(self, asked: Module, context: Context) -> list[Template | Text]:
        """Ask for the configuration files."""
        found: list[Template | Text] = self._ask("render_files", asked, context=context)
        return found

    def prepare_command(self, asked: Module, context: Context) -> list[Command]:
        """Ask for the commands that run in the staging directory."""
        found: list[Command] = self._ask("prepare_command", asked, context=context)
        return found

    def probes(self, asked: Module, context: Context) -> list[Endpoint]:
        """Ask where each slot's chain is seen."""
        found: list[Endpoint] = self._ask("probes", asked, context=context)
        return found

    def inspect_command(self, asked: Module, context: Context) -> Command | None:
        """Ask for a command that prints what runs now."""
        return self._command("inspect_command", asked, context=context)

    def consequences_of(self, asked: Module, change: Change, observed: str) -> list[Consequence]:
        """Ask what `change` would break."""
        found: list[Consequence] = self._ask("consequences_of", asked, change=change, observed=observed)
        return found

    def check_endpoints(self, module: Module, context: Context) -> None:
        """Raise `DeclarationRefused` where what a module says of its endpoints can't be right for the chains of `context`."""
        found = self.probes(module, context)
        slots = [*dict.fromkeys([*(need.slot for need in self.declare_needs(module, context.host)), *context.chains])]
        lost = next((each for each in found if each.slot not in slots), None)
        if lost is not None:
            reason = (
                f'the endpoint {lost} is of the slot "{lost.slot}", and the module asks for: {few(slots) or "none"}'
            )
            raise _refused(module, "probes", reason)
        if context.chains and not found and not shows_without_endpoint(module, context.services.values()):
            raise _refused(
                module, "probes", 'it is empty, and neither "unprobed" nor "confirm" says what shows its chains'
            )

    # A module with a service of its own, or a service that several share

    def check_command(self, asked: Declaration, context: Context | ServiceContext) -> Command | None:
        """Ask for the service's own test."""
        return self._command("check_command", asked, context=context)

    def reload_command(self, asked: Declaration, context: Context | ServiceContext) -> Action | None:
        """Ask for what makes the service read its files again."""
        answer: Action | None = self._ask("reload_command", asked, context=context)
        return answer

    def running(self, asked: Declaration, context: Context | ServiceContext) -> Command | Path | None:
        """Ask how to know that the service runs."""
        answer: Command | Path | None = self._ask("running", asked, context=context)
        return answer

    def start_command(self, asked: Declaration, context: Context | ServiceContext) -> Command | None:
        """Ask for what starts the service."""
        return self._command("start_command", asked, context=context)

    def confirm_command(self, asked: Declaration, context: Context | ServiceContext) -> Command | None:
        """Ask for what shows that the service runs what is in service."""
        return self._command("confirm_command", asked, context=context)

    def observe_command(self, asked: Declaration, context: Context | ServiceContext) -> Command | None:
        """Ask for what prints how the service is that runs."""
        return self._command("observe_command", asked, context=context)

    def mend_command(self, asked: Declaration, context: Context | ServiceContext, subject: str) -> Command | None:
        """Ask for what tries to end an observed state."""
        return self._command("mend_command", asked, context=context, subject=subject)

    # A service that several share

    def render_entry(self, asked: Service, context: ServiceContext) -> list[Template | Text]:
        """Ask for the files of the entry."""
        found: list[Template | Text] = self._ask("render_entry", asked, context=context)
        return found

    def included_command(self, asked: Service, context: ServiceContext) -> Command | None:
        """Ask for what sees whether the administrator's main file names the entry."""
        return self._command("included_command", asked, context=context)

    def diagnose_command(self, asked: Service, context: ServiceContext) -> Command | None:
        """Ask for what prints what the test doesn't say."""
        return self._command("diagnose_command", asked, context=context)

    def why_unseen(self, asked: Service, places: Places) -> str:
        """Ask why a switch shows nowhere."""
        answer: str = self._ask("why_unseen", asked, places=places)
        return answer

    def warnings_in(self, asked: Service, output: str) -> list[str]:
        """Ask what the output of a test warns of."""
        found: list[str] = self._ask("warnings_in", asked, output=output)
        return found

    def cure_for(self, asked: Service, output: str) -> str:
        """Ask what mends that which a test or a start complains of."""
        answer: str = self._ask("cure_for", asked, output=output)
        return answer

    def awaits_network(self, asked: Service, output: str, addressed: bool) -> bool:
        """Ask whether a test has failed for want of a network."""
        answer: bool = self._ask("awaits_network", asked, output=output, addressed=addressed)
        return answer

    def _command(self, hook: str, asked: Declaration, **arguments: object) -> Command | None:
        answer: Command | None = self._ask(hook, asked, **arguments)
        return answer

    def _ask(self, hook: str, asked: Declaration, **arguments: object) -> Any:
        """Ask one declaration, and check what comes back through the policies."""
        plugin = type(asked).name
        try:
            with self.activity.doing(f"plugin {plugin}", f"{hook} of {_word(asked)}", HOOK_SECONDS):
                if plugin in self.avoided:
                    raise TimeoutError(AVOIDED)
                answer = _checked(asked, hook, self._caller(hook, asked)(asked=asked, **arguments))
                return _filled(asked, hook, answer, arguments.get("context"))
        except DeclarationRefused:
            raise
        except (Exception, SystemExit) as error:
            policy = self._policy_of(error, asked)
            subject = subject_of(asked)
            raise (
                PolicyRaised(subject, hook, error, policy) if policy else ModuleRaised(subject, hook, error)
            ) from error

    def _policy_of(self, error: BaseException, asked: Declaration) -> str:
        """Return the plugin that wraps the hook and raised; empty: it was the module itself."""
        own = getattr(sys.modules.get(type(asked).__module__), "__file__", None)
        files = [each.filename for each in traceback.extract_tb(error.__traceback__)]
        return next((self._policies[file] for file in reversed(files) if file in self._policies and file != own), "")

    def _caller(self, hook: str, asked: Declaration) -> Caller:
        """Return the hook without the other modules and services; plugins that wrap it stay."""
        key = (hook, asked)
        if key not in self._callers:
            others = [each for each in self._declarations if each is not asked]
            self._callers[key] = self._manager.subset_hook_caller(hook, others)
        return self._callers[key]


class _Lists:
    """Innermost wrapper of the hooks that answer lists: what a policy gets of a module is checked, and a list of its own."""

    def __init__(self) -> None:
        for hook, answer in LIFE.items():
            if answer.several:
                setattr(self, hook, _listing(hook))


def _listing(hook: str) -> Callable[..., Generator[None, object, list[object]]]:
    @hookimpl(wrapper=True, trylast=True, specname=hook)
    def listed(asked: Declaration) -> Generator[None, object, list[object]]:
        answer = yield
        return list(_members(asked, hook, answer))

    return listed


def _checked(asked: Declaration, hook: str, answer: object) -> object:
    """Return an answer of the right type. Raises `DeclarationRefused`."""
    allowed = LIFE[hook]
    if allowed.several:
        return _members(asked, hook, answer)
    if not isinstance(answer, allowed.kinds) and not (allowed.optional and answer is None):
        raise _refused(asked, hook, f"it is {_kind(answer)}, not {_names(allowed)}")
    return answer


def _filled(asked: Declaration, hook: str, answer: object, context: object) -> object:
    """Return an answer with placeholders filled in, but those of files, which rendering fills in. Raises `DeclarationRefused`."""
    if not isinstance(context, Context | ServiceContext):
        return answer
    for reason in misspelt(texts_in(answer), IN_COMMANDS):
        raise _refused(asked, hook, reason)
    return filled(answer, context)


def _members(asked: Declaration, hook: str, answer: object) -> list[object]:
    """Return the members of a list, each of the right type. Raises `DeclarationRefused`."""
    allowed = LIFE[hook]
    if not isinstance(answer, Iterable) or isinstance(answer, str | bytes | Mapping):
        raise _refused(asked, hook, f"it is {_kind(answer)}, not a list of {_names(allowed)}")
    found = list(answer)
    odd = next((each for each in found if not isinstance(each, allowed.kinds)), allowed)
    if odd is not allowed:
        raise _refused(asked, hook, f"it holds {_kind(odd)}, only {_names(allowed)} may stand there")
    return found


def _word(asked: Declaration) -> str:
    return f"the {'service' if isinstance(asked, Service) else 'module'} {asked.instance}"


def _refused(asked: Declaration, hook: str, reason: str) -> DeclarationRefused:
    return DeclarationRefused(subject_of(asked), hook, reason, place_of_code(getattr(type(asked), hook)))


def _is_host(name: str) -> bool:
    """Whether a name is canonical and no wildcard."""
    try:
        return parse_name(name) == name and not name.startswith("*.")
    except ValueError:
        return False


def _kind(value: object) -> str:
    """Name the type only: a value may hold a secret."""
    return "None" if value is None else f"an object of type {type(value).__name__}"


def _names(allowed: Answer) -> str:
    kinds = [kind.__name__ for kind in allowed.kinds]
    return " or ".join([*kinds, "None"] if allowed.optional else kinds)
