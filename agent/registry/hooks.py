"""Calls of hooks: every hook of the life of a module or service, of one at a time, in its own try."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar, cast

from agent.contract.context import ChainFacts, Change, Consequence, Context, ServiceContext
from agent.contract.declaration import Declaration
from agent.contract.endpoint import Endpoint
from agent.contract.fields import digest_of_settings
from agent.contract.file import ChainFile, Template, Text
from agent.contract.module import Module
from agent.contract.service import Service
from agent.contract.systemd_service import SystemdService
from agent.errors.base import AgentError
from agent.errors.deploy import TemplateMissing
from agent.errors.plugin import PluginError, PluginHangs, PolicyMissing
from agent.errors.wording import few
from agent.model.need import HostFacts, Need
from agent.registry.answers import exactly, text, truth
from agent.registry.asking import Asking
from agent.registry.contract_checks import shows_without_endpoint
from agent.registry.culprits import Culprits
from agent.registry.guard import Asked, Guard, PluginFailed
from agent.registry.hook_manager import refused
from agent.registry.life_hooks import subject_of
from agent.registry.missing_policies import MissingPolicy
from agent.registry.places import place_of_answer
from agent.registry.window_askers import WindowAsker
from agent.system.command import Action, Command
from agent.system.names import is_address, parse_name
from agent.system.places import Places

T = TypeVar("T")
MOST_NAMES = 2000
"""Host names that one module may have resolved."""
RENDER_SECONDS = 300.0
"""So long the rendering of one module's or service's files may take: of thousands of sites on a small machine."""


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
        guard: Guard | None = None,
        missing: Sequence[MissingPolicy] = (),
    ) -> None:
        """`missing`: policies that can't be used: nothing that they governed is asked without them."""
        self.guard = guard or Guard(Culprits(lambda: _homes(modules, plugins)))
        """What asks the plugins."""
        self._asking = Asking(modules, plugins, services or {}, self.guard, missing)
        self._said: dict[tuple[Declaration, str], object] = {}

    def policies(self) -> dict[str, list[str]]:
        """Return the plugins that wrap hooks, each with these hooks."""
        return self._asking.policies()

    @cached_property
    def window_askers(self) -> list[WindowAsker]:
        """Plugins that open a firewall as long as a CA looks."""
        return self._asking.window_askers()

    @property
    def missing(self) -> list[MissingPolicy]:
        """Policies that can't be used, with the hooks that nobody wraps in their place."""
        return self._asking.missing

    def withheld(self, module: Module, services: Iterable[Service]) -> PolicyMissing | None:
        """Return why nothing of a module, or of the services that it is part of, is switched; None: it is."""
        asked = [module, *services]
        found = (each for each in self.missing if any(each.withholds(type(declaration)) for declaration in asked))
        policy = next(found, None)
        return policy.refusal(subject_of(module)) if policy else None

    # The life of a module

    def declare_needs(self, asked: Module, host: HostFacts) -> list[Need]:
        """Ask what chains the module wants; owner filled in, each slot once."""
        found: list[Need] = self._asking.ask("declare_needs", asked, host=host)
        slots = [need.slot for need in found]
        twice = next((slot for slot in slots if slots.count(slot) > 1), None) if len(set(slots)) < len(slots) else None
        if twice is not None:
            raise refused(asked, "declare_needs", f'it has the slot "{twice}" twice')
        preferred = host.wildcards if asked.wildcards is None else asked.wildcards
        wildcards = preferred if self.is_so(asked, "takes_wildcards") else ()
        return [need.of(asked.instance, wildcards) for need in found]

    def names_to_resolve(self, asked: Module, host: HostFacts) -> list[str]:
        """Ask which host names the module needs addresses of: those that have to be looked up, each once."""
        found: list[str] = self._asking.ask("names_to_resolve", asked, host=host)
        if len(found) > MOST_NAMES:
            raise refused(asked, "names_to_resolve", f"it has {len(found)} names, more than {MOST_NAMES}")
        odd = next((number for number, name in enumerate(found, 1) if not _is_host(name)), None)
        if odd is not None:
            raise refused(asked, "names_to_resolve", f"name {odd} of {len(found)} is no host name in lower case")
        return [name for name in dict.fromkeys(found) if name != "localhost" and not is_address(name)]

    def receive_chains(self, asked: Module, chains: Mapping[str, ChainFacts]) -> list[ChainFile]:
        """Ask what files of key and chain parts come of `chains`."""
        found: list[ChainFile] = self._asking.ask("receive_chains", asked, chains=chains)
        return found

    def check_slots(self, asked: Module, files: Iterable[ChainFile | Template | Text], context: Context) -> None:
        """Raise `DeclarationRefused` where a file is of a slot that the module has no need for."""
        odd = next((each for each in files if each.slot is not None and each.slot not in context.chains), None)
        if odd is None:
            return
        slots = [*dict.fromkeys([*(need.slot for need in self.declare_needs(asked, context.host)), *context.chains])]
        if odd.slot not in slots:
            hook = "receive_chains" if isinstance(odd, ChainFile) else "render_files"
            known = few(slots) or "none"
            reason = f'the file "{odd.path}" is of the slot "{odd.slot}", and the module asks for: {known}'
            raise refused(asked, hook, reason)

    def render_files(self, asked: Module, context: Context) -> list[Template | Text]:
        """Ask for the configuration files."""
        found: list[Template | Text] = self._asking.ask("render_files", asked, context=context)
        return found

    def prepare_command(self, asked: Module, context: Context) -> list[Command]:
        """Ask for the commands that run in the staging directory."""
        found: list[Command] = self._asking.ask("prepare_command", asked, context=context)
        return found

    def probes(self, asked: Module, context: Context) -> list[Endpoint]:
        """Ask where each slot's chain is seen."""
        found: list[Endpoint] = self._asking.ask("probes", asked, context=context)
        return found

    def inspect_command(self, asked: Module, context: Context) -> Command | None:
        """Ask for a command that prints what runs now."""
        return self._command("inspect_command", asked, context=context)

    def consequences_of(self, asked: Module, change: Change, observed: str) -> list[Consequence]:
        """Ask what `change` would break."""
        found: list[Consequence] = self._asking.ask("consequences_of", asked, change=change, observed=observed)
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
            raise refused(module, "probes", reason)
        if context.chains and not found and not self._shows_itself(module, context):
            raise refused(
                module, "probes", 'it is empty, and neither "unprobed" nor "confirm" says what shows its chains'
            )

    def _shows_itself(self, module: Module, context: Context) -> bool:
        services = context.services.values()
        return self._asking.guarded("unprobed", module, lambda: shows_without_endpoint(module, services))

    # A module with a service of its own, or a service that several share

    def check_command(self, asked: Declaration, context: Context | ServiceContext) -> Command | None:
        """Ask for the service's own test."""
        return self._command("check_command", asked, context=context)

    def reload_command(self, asked: Declaration, context: Context | ServiceContext) -> Action | None:
        """Ask for what makes the service read its files again."""
        answer: Action | None = self._asking.ask("reload_command", asked, context=context)
        return answer

    def running(self, asked: Declaration, context: Context | ServiceContext) -> Command | Path | None:
        """Ask how to know that the service runs."""
        answer: Command | Path | None = self._asking.ask("running", asked, context=context)
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
        found: list[Template | Text] = self._asking.ask("render_entry", asked, context=context)
        return found

    def included_command(self, asked: Service, context: ServiceContext) -> Command | None:
        """Ask for what sees whether the administrator's main file names the entry."""
        return self._command("included_command", asked, context=context)

    def diagnose_command(self, asked: Service, context: ServiceContext) -> Command | None:
        """Ask for what prints what the test doesn't say."""
        return self._command("diagnose_command", asked, context=context)

    def why_unseen(self, asked: Service, places: Places) -> str:
        """Ask why a switch shows nowhere."""
        answer: str = self._asking.ask("why_unseen", asked, places=places)
        return answer

    def warnings_in(self, asked: Service, output: str) -> list[str]:
        """Ask what the output of a test warns of."""
        found: list[str] = self._asking.ask("warnings_in", asked, output=output)
        return found

    def cure_for(self, asked: Service, output: str) -> str:
        """Ask what mends that which a test or a start complains of."""
        answer: str = self._asking.ask("cure_for", asked, output=output)
        return answer

    def awaits_network(self, asked: Service, output: str, addressed: bool) -> bool:
        """Ask whether a test has failed for want of a network."""
        answer: bool = self._asking.ask("awaits_network", asked, output=output, addressed=addressed)
        return answer

    def _command(self, hook: str, asked: Declaration, **arguments: object) -> Command | None:
        answer: Command | None = self._asking.ask(hook, asked, **arguments)
        return answer

    # What isn't wrapped

    def said(self, asked: Declaration, attribute: str, checked: Callable[[object], T]) -> T:
        """Return a property or an attribute of a declaration, which `checked` returns where it is of the right type.

        It is asked for once: settings don't change.
        """
        key = (asked, attribute)
        if key not in self._said:
            self._said[key] = self._asking.guarded(attribute, asked, lambda: checked(getattr(asked, attribute)))
        return cast("T", self._said[key])

    def is_so(self, asked: Declaration, attribute: str) -> bool:
        """Ask for an attribute that says yes or no. One that fails in it says no."""
        try:
            return self.said(asked, attribute, truth)
        except PluginError:
            return False

    def text_of(self, asked: Declaration, attribute: str, otherwise: str) -> str:
        """Ask for a text. Of one that fails in it, `otherwise` is said."""
        return text_of(self.guard, asked, attribute, otherwise)

    def digest_of_settings(self, asked: Declaration) -> str:
        """Ask for a digest of the settings, which plugins may say how to write."""
        return self._asking.guarded("the reading of its settings", asked, lambda: digest_of_settings(asked))

    def pid_path(self, asked: SystemdService, places: Places) -> Path:
        """Ask for the file with the number of a service's process."""
        return self._asking.guarded("pid_path", asked, lambda: exactly(asked.pid_path(places), Path))

    def rendered(self, asked: Declaration, hook: str, work: Callable[[], T]) -> T:
        """Have files rendered, whose templates ask a declaration for its settings and whatever else it has."""
        try:
            return self._asking.guarded(hook, asked, work, contract=(AgentError,), most=RENDER_SECONDS)
        except TemplateMissing as error:
            error.place = error.place or place_of_answer(type(asked), hook)
            raise


def text_of(guard: Guard, asked: Declaration, attribute: str, otherwise: str) -> str:
    """Ask for a text. Of one that fails in it, `otherwise` is said."""
    question = Asked(guard.plugin_of(type(asked)), attribute, subject_of(asked))
    try:
        return guard.call(question, lambda: text(getattr(asked, attribute)))
    except (PluginFailed, PluginHangs):
        return otherwise


def _homes(modules: Mapping[str, Module], plugins: Mapping[str, object]) -> Iterator[tuple[str, Path]]:
    """Yield where plugins are that nobody has found: in tests."""
    for name, plugin in plugins.items():
        if file := getattr(plugin, "__file__", None):
            yield name, Path(file)
    for module in modules.values():
        if file := getattr(sys.modules.get(type(module).__module__), "__file__", None):
            yield type(module).name, Path(file)


def _is_host(name: str) -> bool:
    """Whether a name is canonical and no wildcard."""
    try:
        return parse_name(name) == name and not name.startswith("*.")
    except ValueError:
        return False
