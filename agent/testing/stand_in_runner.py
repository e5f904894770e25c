"""A runner beside the stand-in: it runs the plugin's own tests, and answers in the place of the services."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence

from agent.contract.declaration import Declaration
from agent.contract.module import Module
from agent.contract.service import Service
from agent.system.command import Action, Command, CommandResult, Runner, SystemRunner
from agent.testing.findings import Findings
from agent.testing.hook_watch import Asked, HookWatch
from agent.testing.runner import Answer
from agent.testing.stand_in import StandIn

REALLY = ("check_command", "prepare_command")
"""Hooks whose commands touch nothing but what is staged."""
TELLING = ("reload_command", "start_command")
"""Hooks whose commands have a service read its files."""
REFUSED = Answer("the check has this reload fail", exit_code=1)


class StandInRunner:
    """Runs tests and preparations where their programs are installed; nothing else reaches a service of this machine."""

    def __init__(
        self,
        watch: HookWatch,
        stand_in: StandIn,
        findings: Findings,
        modules_of: Callable[[Declaration], Sequence[str]],
        runner: Runner | None = None,
    ) -> None:
        """`modules_of`: those that a module's or service's reload concerns."""
        self._watch = watch
        self._stand_in = stand_in
        self._findings = findings
        self._modules_of = modules_of
        self._runner = runner or SystemRunner()

    def run(self, action: Action) -> CommandResult:
        """Run an action, or answer in its place."""
        asked = self._watch.asked_for(action)
        hooks = {each.hook for each in asked}
        modules = [name for each in asked for name in self._modules_of(each.declaration)]
        if isinstance(action, Command) and hooks.intersection(REALLY):
            return self._tested(action, asked)
        if hooks.intersection(TELLING):
            return (Answer() if self._stand_in.reload(modules) else REFUSED).to(action)
        if "confirm_command" in hooks:
            taken = self._stand_in.runs_what_is_in_service(modules)
            return Answer(exit_code=0 if taken else 1).to(action)
        return Answer().to(action)

    def _tested(self, command: Command, asked: Sequence[Asked]) -> CommandResult:
        if shutil.which(command.argv[0]) is None:
            self._findings.leave_out(f"{command.shown} is not installed, so its own test was not run")
            return Answer().to(command)
        in_place = next((each.declaration for each in asked if _reads_main_file(each.declaration)), None)
        if in_place is not None:
            name = in_place.instance
            self._findings.leave_out(
                f"the test of {name} reads the administrator's own configuration, so it was not run"
            )
            return Answer().to(command)
        return self._runner.run(command)


def _reads_main_file(declaration: Declaration) -> bool:
    return isinstance(declaration, Module | Service) and bool(declaration.checks_in_place)
