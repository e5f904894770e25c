"""Units: daemons that are tested and reloaded as one, shared by modules or a module's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from agent.contract.context import Context, ModulePart, ServiceContext
from agent.contract.service import Service
from agent.model.footprint import ServiceFootprint
from agent.rendering.enabled_modules import EnabledModules, ask_service
from agent.rendering.render import Rendering, filled_in
from agent.system.command import Action, Command

T = TypeVar("T")


@dataclass(frozen=True)
class Candidate:
    """Directories that a unit's commands are about."""

    contexts: Mapping[str, Context]
    """Every module that has a generation, whether it changes or not."""
    entries: Mapping[str, Path]
    """Shared service -> directory of its entry."""


class Unit(ABC):
    """A daemon, as the steps of deploying see it."""

    name: str
    modules: tuple[str, ...]

    @property
    def checks_in_place(self) -> bool:
        """Whether its test reads what is in service: then it runs after the rename."""
        return False

    @property
    def may_start(self) -> bool:
        """Whether the agent may start it."""
        return False

    @property
    def disruptive(self) -> bool:
        """Whether reloading drops sessions. It may be a restart, which also starts a unit that has ended."""
        return False

    @abstractmethod
    def check(self, candidate: Candidate) -> Command | None:
        """Return its own test."""

    def included(self, candidate: Candidate) -> Command | None:
        """Return the command that sees whether the administrator's main file names the agent's."""
        return None

    def why_unseen(self, candidate: Candidate) -> str:
        """Return why what was switched shows nowhere, as far as the administrator's main file tells; empty: it tells nothing."""
        return ""

    @abstractmethod
    def reload(self, candidate: Candidate) -> Action | None:
        """Return the command or signal that makes it read its files again."""

    def warnings_in(self, output: str) -> list[str]:
        """Return what its own test, which succeeded, warns of."""
        return []

    def awaits_network(self, output: str, addressed: bool) -> bool:
        """Whether a test has failed for want of a network, which comes later in a boot."""
        return False

    def cure_for(self, output: str) -> str:
        """Return what mends that which its test or start complains of; empty: it says so itself."""
        return ""

    def diagnose(self, candidate: Candidate) -> Command | None:
        """Return the command that prints what its test doesn't say."""
        return None

    @property
    def reload_proves(self) -> bool:
        """Whether a reload that succeeds proves that the new configuration is in force."""
        return False

    def confirm(self, candidate: Candidate) -> Command | None:
        """Return the command that ends with 0 once it runs the candidate."""
        return None

    def observe(self, candidate: Candidate) -> Command | None:
        """Return the command that prints how it is."""
        return None

    def mend(self, candidate: Candidate, subject: str) -> Command | None:
        """Return the command that tries to end an observed state."""
        return None

    def start(self, candidate: Candidate) -> Command | None:
        """Return the command that starts it."""
        return None

    def running(self, candidate: Candidate) -> Command | Path | None:
        """Return how to know that it runs; None: by its endpoints."""
        return None


class OwnUnit(Unit):
    """A module's own service, described by the module."""

    def __init__(self, enabled: EnabledModules, module: str) -> None:
        self._hooks = enabled.hooks
        self._module = enabled.modules[module]
        self.name = module
        self.modules = (module,)

    @property
    def checks_in_place(self) -> bool:
        """Whether the module says so."""
        return ask_service(self.name, "checks_in_place", lambda: self._module.checks_in_place)

    @property
    def disruptive(self) -> bool:
        """Whether the module says so."""
        return self._module.disruptive

    def check(self, candidate: Candidate) -> Command | None:
        """Ask the module."""
        return self._hooks.check(self.name, candidate.contexts[self.name])

    def reload(self, candidate: Candidate) -> Action | None:
        """Ask the module."""
        return self._hooks.reload(self.name, candidate.contexts[self.name])

    def confirm(self, candidate: Candidate) -> Command | None:
        """Ask the module."""
        return self._hooks.confirm(self.name, candidate.contexts[self.name])

    def running(self, candidate: Candidate) -> Command | Path | None:
        """Ask the module."""
        context = candidate.contexts.get(self.name)
        return ask_service(self.name, "running_with", lambda: self._module.running_with(context)) if context else None

    def observe(self, candidate: Candidate) -> Command | None:
        """Ask the module."""
        return self._hooks.observe(self.name, candidate.contexts[self.name])

    def mend(self, candidate: Candidate, subject: str) -> Command | None:
        """Ask the module."""
        return self._hooks.mend(self.name, candidate.contexts[self.name], subject)


class SharedUnit(Unit):
    """A registered service, described by its class."""

    def __init__(self, enabled: EnabledModules, service: str, modules: tuple[str, ...] | None = None) -> None:
        """`modules`: default those that are configured."""
        self._enabled = enabled
        self._service: Service = enabled.services[service]
        self.name = service
        self.modules = tuple(enabled.modules_of(service)) if modules is None else modules

    @property
    def checks_in_place(self) -> bool:
        """Whether the service says so."""
        return self._service.checks_in_place

    @property
    def disruptive(self) -> bool:
        """Whether the service says so."""
        return self._service.disruptive

    @property
    def may_start(self) -> bool:
        """Whether the administrator says so."""
        return self._service.start

    def check(self, candidate: Candidate) -> Command | None:
        """Ask the service."""
        return self._ask("check_with", lambda: self._service.check_with(self._context(candidate)))

    def included(self, candidate: Candidate) -> Command | None:
        """Ask the service."""
        return self._ask("included_with", lambda: self._service.included_with(self._context(candidate)))

    def why_unseen(self, candidate: Candidate) -> str:
        """Ask the service."""
        return self._ask("why_unseen", lambda: self._service.why_unseen(self._context(candidate).places))

    def reload(self, candidate: Candidate) -> Action | None:
        """Ask the service."""
        return self._ask("reload_with", lambda: self._service.reload_with(self._context(candidate)))

    def warnings_in(self, output: str) -> list[str]:
        """Ask the service."""
        return self._ask("warnings_in", lambda: [*self._service.warnings_in(output)])

    def cure_for(self, output: str) -> str:
        """Ask the service."""
        return self._ask("cure_for", lambda: str(self._service.cure_for(output)))

    def diagnose(self, candidate: Candidate) -> Command | None:
        """Ask the service."""
        return self._ask("diagnose_with", lambda: self._service.diagnose_with(self._context(candidate)))

    def awaits_network(self, output: str, addressed: bool) -> bool:
        """Ask the service."""
        return self._ask("awaits_network", lambda: bool(self._service.awaits_network(output, addressed)))

    @property
    def reload_proves(self) -> bool:
        """Whether the service says so."""
        return self._service.reload_proves

    def confirm(self, candidate: Candidate) -> Command | None:
        """Ask the service."""
        return self._ask("confirm_with", lambda: self._service.confirm_with(self._context(candidate)))

    def observe(self, candidate: Candidate) -> Command | None:
        """Ask the service."""
        return self._ask("observe_with", lambda: self._service.observe_with(self._context(candidate)))

    def mend(self, candidate: Candidate, subject: str) -> Command | None:
        """Ask the service."""
        return self._ask("mend_with", lambda: self._service.mend_with(self._context(candidate), subject))

    def start(self, candidate: Candidate) -> Command | None:
        """Ask the service."""
        return self._ask("start_with", lambda: self._service.start_with(self._context(candidate)))

    def running(self, candidate: Candidate) -> Command | Path | None:
        """Ask the service."""
        return self._ask("running", lambda: self._service.running(self._context(candidate)))

    def parts(self, candidate: Candidate) -> tuple[ModulePart, ...]:
        """Return the modules that it includes."""
        return parts_of(self._enabled, self.name, self.modules, candidate.contexts)

    def rendering(self, parts: tuple[ModulePart, ...]) -> Rendering:
        """Return the files of the entry that includes `parts`."""
        return self._enabled.render_entry(self.name, parts)

    def _ask(self, what: str, call: Callable[[], T]) -> T:
        return ask_service(self.name, what, call)

    def _context(self, candidate: Candidate) -> ServiceContext:
        return self._enabled.service_context(self.name, candidate.entries[self.name], self.parts(candidate))


class EmptiedUnit(SharedUnit):
    """A registered service without any module, as its footprint describes it: neither settings nor plugin are asked."""

    def __init__(self, service: str, footprint: ServiceFootprint, *, entirely: bool = False) -> None:
        """`entirely`: nothing of the agent's is left of it, not even an entry that includes nothing."""
        self._footprint = footprint
        self._entirely = entirely
        self.name = service
        self.modules = ()

    @property
    def checks_in_place(self) -> bool:
        """Whether the footprint says so."""
        return self._footprint.in_place

    @property
    def disruptive(self) -> bool:
        """Never: it is not started again."""
        return False

    @property
    def may_start(self) -> bool:
        """Never: there is nothing to serve."""
        return False

    def check(self, candidate: Candidate) -> Command | None:
        """Return its test without any module."""
        command = self._footprint.check
        if command is None:
            return None
        directory = candidate.entries[self.name]
        return replace(command, argv=tuple(filled_in(each, str(directory), 0) for each in command.argv))

    def included(self, candidate: Candidate) -> Command | None:
        """Return nothing: it is to be named no longer."""
        return None

    def why_unseen(self, candidate: Candidate) -> str:
        """Return nothing: it is to be named no longer."""
        return ""

    def reload(self, candidate: Candidate) -> Action | None:
        """Return what makes it let go."""
        return self._footprint.reload

    def warnings_in(self, output: str) -> list[str]:
        """Return none: they would be about nothing of the agent's."""
        return []

    def awaits_network(self, output: str, addressed: bool) -> bool:
        """Never: it reads nothing of the agent's."""
        return False

    def cure_for(self, output: str) -> str:
        """Return nothing: its plugin is not asked."""
        return ""

    def diagnose(self, candidate: Candidate) -> Command | None:
        """Return nothing: there is nothing of the agent's to contradict."""
        return None

    @property
    def reload_proves(self) -> bool:
        """Always: what shows that it has let go is looked at by itself."""
        return True

    def confirm(self, candidate: Candidate) -> Command | None:
        """Return nothing."""
        return None

    def observe(self, candidate: Candidate) -> Command | None:
        """Return nothing."""
        return None

    def start(self, candidate: Candidate) -> Command | None:
        """Return nothing."""
        return None

    def running(self, candidate: Candidate) -> Command | Path | None:
        """Return how to know that it runs."""
        return self._footprint.running

    def parts(self, candidate: Candidate) -> tuple[ModulePart, ...]:
        """Return none."""
        return ()

    def rendering(self, parts: tuple[ModulePart, ...]) -> Rendering:
        """Return the files of an entry that includes nothing."""
        return Rendering((), {}, {}) if self._entirely else Rendering(self._footprint.files, self._footprint.texts, {})


def parts_of(
    enabled: EnabledModules, service: str, modules: tuple[str, ...], contexts: Mapping[str, Context]
) -> tuple[ModulePart, ...]:
    """Return how a shared service includes the modules that have a generation, in order of their names."""
    asked = [
        ModulePart(name, enabled.modules[name].name, contexts[name].directory) for name in modules if name in contexts
    ]
    return tuple(sorted((*asked, *enabled.lost.get(service, ())), key=lambda part: part.module))


def units_of(enabled: EnabledModules, modules: tuple[str, ...]) -> list[Unit]:
    """Return the units that any of `modules` belongs to, in order of their names."""
    found: dict[str, Unit] = {}
    for module in modules:
        for service in enabled.modules[module].services:
            found.setdefault(service, SharedUnit(enabled, service))
        if not enabled.modules[module].services:
            found[f"module {module}"] = OwnUnit(enabled, module)
    return [found[key] for key in sorted(found)]
