"""`Service`: a daemon that is tested and reloaded as one, whether one module uses it or several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from agent.contract.context import ServiceContext
from agent.contract.declaration import Declaration
from agent.contract.file import Template, Text
from agent.contract.module import Module
from agent.system.command import Action, Command
from agent.system.places import Places


class Service(Declaration):
    """Daemon that modules share: a class is a plugin's declaration, an instance the operator's ``[services.NAME]`` table.

    Its *entry* is a directory with the files that `render_entry` returns: they include the modules' generations by absolute
    path. The candidate entry is what is checked; the switch is one rename of the link ``live``.

    When its last module is taken out, its methods are asked with no parts in the context; `contradictions` never is.
    """

    group: ClassVar[str] = ""
    """Group of the entry's directory and files; empty: root."""

    start: bool = Field(False, description="whether the agent may start the service when it isn't running")

    def render_entry(self, context: ServiceContext) -> Iterable[Template | Text]:
        """Return the files of the entry. None where modules only publish files to fixed paths."""
        return ()

    def contradictions(self, modules: Mapping[str, Module]) -> Iterable[tuple[str, str]]:
        """Yield modules whose settings contradict those of another one, each with the reason.

        `modules`: those that share the service, by name. Asked when the settings are read: they are refused, as a setting
        is that its own class refuses.
        """
        return ()

    @property
    def checks_in_place(self) -> bool:
        """True where the administrator's main file includes ours: then the check runs after the rename."""
        return False

    @property
    def disruptive(self) -> bool:
        """True where what `reload_command` returns drops sessions."""
        return False

    @property
    def reload_proves(self) -> bool:
        """True where a reload that succeeds proves that the configuration is in force: a restart, or a load that is answered."""
        return False

    def check_command(self, context: ServiceContext) -> Command | None:
        """Return the service's own test of the candidate entry in ``context.directory``."""
        return None

    def included_command(self, context: ServiceContext) -> Command | None:
        """Return what sees whether the administrator's main file names ours: it ends with 0, or prints what to add.

        Until it does, files are put in place, so that they exist when the line is added, and the service isn't reloaded.
        """
        return None

    def why_unseen(self, places: Places) -> str:
        """Return why a switch shows nowhere, as far as the administrator's main file tells; empty: it tells nothing.

        A clause without a full stop, with the line to add. It is asked only where what was switched is not seen.
        """
        return ""

    def warnings_in(self, output: str) -> Iterable[str]:
        """Return the lines in the output of a test that succeeded that warn of something.

        Those that name a name or a file of the modules are told: nginx ignores a server of ours whose name another one has.
        """
        return ()

    def cure_for(self, output: str) -> str:
        """Return what mends that which the output of a test or a start complains of; empty: it says so itself.

        A sentence to which ", then: chainwright apply" is added. Warnings that have one are told whatever they name.
        """
        return ""

    def diagnose_command(self, context: ServiceContext) -> Command | None:
        """Return what prints what is wrong in the configuration that the service would start with, and its test doesn't say.

        Lines of JSON as the findings of `observe_command`, with a "why" and a "fix" that name file and line. It is run after a
        deployment, at each look and while the service waits. It ends with 0, whatever it finds.
        """
        return None

    def awaits_network(self, output: str, addressed: bool) -> bool:
        """Return whether a test has failed for want of a network, which comes later in a boot: a name that isn't resolved yet.

        Asked at boot alone, where what is in service is left as it is then. `addressed`: this machine has an address already.
        """
        return False

    def reload_command(self, context: ServiceContext) -> Action | None:
        """Return what makes the service read its files again."""
        return None

    def confirm_command(self, context: ServiceContext) -> Command | None:
        """Return what ends with 0 once the service runs the entry in ``context.directory`` and the generations that it includes.

        It is tried after the reload until it does, or time is up. None: no command can tell.
        """
        return None

    def observe_command(self, context: ServiceContext) -> Command | None:
        """Return what prints how the daemon is that runs: lines of `state_line`, `finding_line` and `differs_line`.

        It changes nothing, and is run in each pass and by the agent's daemon once a minute. Where a line says that what runs
        differs, the core has the service read its files again, unless that is `disruptive`.
        """
        return None

    def mend_command(self, context: ServiceContext, subject: str) -> Command | None:
        """Return what tries to end a state of `subject` that was observed with ``mend``; it is run with growing pauses."""
        return None

    def start_command(self, context: ServiceContext) -> Command | None:
        """Return what starts the service."""
        return None

    @property
    def restart_advice(self) -> str:
        """How an administrator sees why it ended, and starts it again: the end of a sentence."""
        advice = f"look at its log and start {self.title or self.name}"
        if self.start or not self._has_start:
            return advice
        return f"{advice}, or set `start = true` in [services.{self.name}], then: chainwright apply"

    @property
    def _has_start(self) -> bool:
        """Whether the agent could start it, if it may."""
        return type(self).start_command is not Service.start_command

    def running(self, context: ServiceContext) -> Command | Path | None:
        """Return how to know that it runs: a command that ends with 0, or its pid file. None: by its endpoints."""
        return None
