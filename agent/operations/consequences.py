"""What a change would break, by name: every module is asked, with what its inspection prints now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from agent.contract.context import Change, Consequence
from agent.engine.pass_inputs import PassInputs
from agent.errors import AgentError
from agent.rendering.enabled_modules import facts_of
from agent.store import Store
from agent.system.command import Command, Runner

INSPECTION_SECONDS = 10.0
"""A person waits for the answer."""
AT_ONCE = 8
"""Inspections."""

Slots = Mapping[str, tuple[str, ...]]
"""Module -> its slots whose chain would change."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the modules say of one change."""

    consequences: tuple[tuple[str, Consequence], ...] = ()
    """By module."""
    unknown: tuple[str, ...] = ()
    """Modules that could not say."""
    uninspected: tuple[tuple[str, str], ...] = ()
    """Module, and why what runs there could not be seen: what it says may be too little."""


class Inquirer:
    """Asks modules about one change. Nothing that goes wrong in a module is more than a note."""

    def __init__(self, inputs: PassInputs, store: Store, runner: Runner) -> None:
        self._inputs = inputs
        self._store = store
        self._runner = runner

    def ask(self, kind: str, subject: str, slots: Slots, modules: Iterable[str]) -> Answers:
        """Return what `modules` say that a change breaks."""
        asked = list(modules)
        commands, failed = self._commands(asked)
        observed, unseen = self._observe(commands)
        failed |= unseen
        found: list[tuple[str, Consequence]] = []
        unknown: list[str] = []
        for module in asked:
            change = Change(kind, subject, slots.get(module, ()))
            try:
                answer = self._inputs.hooks.consequences(module, change, observed.get(module, ""))
                found += [(module, each) for each in answer]
            except AgentError:
                unknown.append(module)
        return Answers(tuple(found), tuple(unknown), tuple(failed.items()))

    def _commands(self, modules: Iterable[str]) -> tuple[dict[str, Command], dict[str, str]]:
        commands: dict[str, Command] = {}
        failed: dict[str, str] = {}
        for module in modules:
            try:
                command = self._command(module)
            except AgentError as error:
                failed[module] = error.problem.cause
            else:
                if command is not None:
                    commands[module] = replace(command, timeout=min(command.timeout, INSPECTION_SECONDS))
        return commands, failed

    def _command(self, module: str) -> Command | None:
        """Ask for the inspection of what is in service."""
        enabled, deployment = self._inputs.enabled, self._store.deployments.all().get(module)
        number = deployment.generation if deployment and deployment.generation is not None else 0
        generation = self._store.deployments.generation(f"module:{module}", number) if number else None
        records = {record.id: record for record in self._store.chains.records()}
        served = generation.chains if generation else {}
        chains = {slot: facts_of(records[chain]) for slot, chain in served.items() if chain in records}
        directory = enabled.layout.module(module).state / str(number)
        return self._inputs.hooks.inspect(module, enabled.context(module, directory, str(number), chains))

    def _observe(self, commands: Mapping[str, Command]) -> tuple[dict[str, str], dict[str, str]]:
        """Run the inspections side by side. Return what they print, and why those that failed did."""
        if not commands:
            return {}, {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            results = dict(zip(commands, pool.map(self._runner.run, commands.values()), strict=True))
        good = {module: result.output for module, result in results.items() if result.ok}
        bad = {module: result.summary for module, result in results.items() if not result.ok}
        return good, bad
