"""Units: daemons that are tested and reloaded as one, shared by modules or a module's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from agent.contract.context import Context, ModulePart, ServiceContext
from agent.contract.service import Service
from agent.errors import AgentError
from agent.model.footprint import ServiceFootprint
from agent.rendering.enabled_modules import EnabledModules, ask_declaration
from agent.rendering.render import Rendering, filled_in
from agent.system.command import Action, Command


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
        return ask_declaration(self._module, "checks_in_place", lambda: self._module.checks_in_place)

    @property
    def disruptive(self) -> bool:
        """Whether the module says so."""
        return self._module.disruptive

    @property
    def may_start(self) -> bool:
        """Whether the administrator says so."""
        return self._module.start

    def check(self, candidate: Candidate) -> Command | None:
        """Ask the module."""
        return self._hooks.check_command(self._module, candidate.contexts[self.name])

    def reload(self, candidate: Candidate) -> Action | None:
        """Ask the module."""
        return self._hooks.reload_command(self._module, candidate.contexts[self.name])

    def confirm(self, candidate: Candidate) -> Command | None:
        """Ask the module."""
        return self._hooks.confirm_command(self._module, candidate.contexts[self.name])

    def start(self, candidate: Candidate) -> Command | None:
        """Ask the module."""
        context = candidate.contexts.get(self.name)
        return self._hooks.start_command(self._module, context) if context else None

    def running(self, candidate: Candidate) -> Command | Path | None:
        """Ask the module."""
        context = candidate.contexts.get(self.name)
        return self._hooks.running(self._module, context) if context else None

    def observe(self, candidate: Candidate) -> Command | None:
        """Ask the module."""
        return self._hooks.observe_command(self._module, candidate.contexts[self.name])

    def mend(self, candidate: Candidate, subject: str) -> Command | None:
        """Ask the module."""
        return self._hooks.mend_command(self._module, candidate.contexts[self.name], subject)


class EntryUnit(Unit):
    """A registered service with an entry, which includes the generations of modules."""

    @abstractmethod
    def parts(self, candidate: Candidate) -> tuple[ModulePart, ...]:
        """Return the modules that it includes."""

    @abstractmethod
    def rendering(self, parts: tuple[ModulePart, ...]) -> Rendering:
        """Return the files of the entry that includes `parts`."""


class SharedUnit(EntryUnit):
    """A registered service, described by its class."""

    def __init__(self, enabled: EnabledModules, service: str, modules: tuple[str, ...] | None = None) -> None:
        """`modules`: default those that are configured."""
        self._enabled = enabled
        self._hooks = enabled.hooks
        self._service: Service = enabled.services[service]
        self.name = service
        self.modules = tuple(enabled.modules_of(service)) if modules is None else modules

    @property
    def checks_in_place(self) -> bool:
        """Whether the service says so."""
        return ask_declaration(self._service, "checks_in_place", lambda: self._service.checks_in_place)

    @property
    def disruptive(self) -> bool:
        """Whether the service says so."""
        return ask_declaration(self._service, "disruptive", lambda: self._service.disruptive)

    @property
    def may_start(self) -> bool:
        """Whether the administrator says so."""
        return self._service.start

    def check(self, candidate: Candidate) -> Command | None:
        """Ask the service."""
        return self._hooks.check_command(self._service, self._context(candidate))

    def included(self, candidate: Candidate) -> Command | None:
        """Ask the service."""
        return self._hooks.included_command(self._service, self._context(candidate))

    def why_unseen(self, candidate: Candidate) -> str:
        """Ask the service."""
        return self._hooks.why_unseen(self._service, self._context(candidate).places)

    def reload(self, candidate: Candidate) -> Action | None:
        """Ask the service."""
        return self._hooks.reload_command(self._service, self._context(candidate))

    def warnings_in(self, output: str) -> list[str]:
        """Ask the service."""
        return self._hooks.warnings_in(self._service, output)

    def cure_for(self, output: str) -> str:
        """Ask the service; one that fails in it cures nothing."""
        with suppress(AgentError):
            return self._hooks.cure_for(self._service, output)
        return ""

    def diagnose(self, candidate: Candidate) -> Command | None:
        """Ask the service."""
        return self._hooks.diagnose_command(self._service, self._context(candidate))

    def awaits_network(self, output: str, addressed: bool) -> bool:
        """Ask the service; one that fails in it waits for nothing."""
        with suppress(AgentError):
            return self._hooks.awaits_network(self._service, output, addressed)
        return False

    @property
    def reload_proves(self) -> bool:
        """Whether the service says so."""
        return ask_declaration(self._service, "reload_proves", lambda: self._service.reload_proves)

    def confirm(self, candidate: Candidate) -> Command | None:
        """Ask the service."""
        return self._hooks.confirm_command(self._service, self._context(candidate))

    def observe(self, candidate: Candidate) -> Command | None:
        """Ask the service."""
        return self._hooks.observe_command(self._service, self._context(candidate))

    def mend(self, candidate: Candidate, subject: str) -> Command | None:
        """Ask the service."""
        return self._hooks.mend_command(self._service, self._context(candidate), subject)

    def start(self, candidate: Candidate) -> Command | None:
        """Ask the service."""
        return self._hooks.start_command(self._service, self._context(candidate))

    def running(self, candidate: Candidate) -> Command | Path | None:
        """Ask the service."""
        return self._hooks.running(self._service, self._context(candidate))

    def parts(self, candidate: Candidate) -> tuple[ModulePart, ...]:
        """Return the modules that have a generation."""
        return parts_of(self._enabled, self.name, self.modules, candidate.contexts)

    def rendering(self, parts: tuple[ModulePart, ...]) -> Rendering:
        """Ask the service."""
        return self._enabled.render_entry(self.name, parts)

    def _context(self, candidate: Candidate) -> ServiceContext:
        return self._enabled.service_context(self.name, candidate.entries[self.name], self.parts(candidate))


class EmptiedUnit(EntryUnit):
    """A registered service without any module, as its footprint describes it: neither settings nor plugin are asked."""

    modules = ()

    def __init__(self, service: str, footprint: ServiceFootprint, *, entirely: bool = False) -> None:
        """`entirely`: nothing of the agent's is left of it, not even an entry that includes nothing."""
        self._footprint = footprint
        self._entirely = entirely
        self.name = service

    @property
    def checks_in_place(self) -> bool:
        """Whether the footprint says so."""
        return self._footprint.in_place

    def check(self, candidate: Candidate) -> Command | None:
        """Return its test without any module."""
        command = self._footprint.check
        if command is None:
            return None
        directory = candidate.entries[self.name]
        return replace(command, argv=tuple(filled_in(each, str(directory), 0) for each in command.argv))

    def reload(self, candidate: Candidate) -> Action | None:
        """Return what makes it let go."""
        return self._footprint.reload

    @property
    def reload_proves(self) -> bool:
        """Always: what shows that it has let go is looked at by itself."""
        return True

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
        ModulePart(module=name, plugin=enabled.modules[name].name, directory=contexts[name].directory)
        for name in modules
        if name in contexts
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
