"""Reloads: units are told to read their files, each once; those that do not run are started or noted as down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from agent.deploy.deploy_context import DeployContext
from agent.deploy.lost_pid_files import restore_pid_file
from agent.deploy.restarts import note_start
from agent.deploy.running import why_not_running
from agent.deploy.units import Candidate, EntryUnit, Unit
from agent.errors import AgentError
from agent.errors.deploy import ReloadFailed, StartFailed
from agent.errors.wording import few


class Reloader:
    """Reloads the units of one transaction, forward and on the way back."""

    def __init__(
        self, context: DeployContext, absent: Mapping[str, str], dead_places: Callable[[Unit], list[str]]
    ) -> None:
        self._context = context
        self._absent = dict(absent)
        self._dead_places = dead_places
        self.down = dict(absent)
        """Unit -> why it can't be reloaded."""
        self.not_started: dict[str, StartFailed] = {}
        """Unit -> what its start said that failed."""
        self.unnamed: dict[str, str] = {}
        """Unit -> what the administrator's main file lacks, which doesn't name the agent's files."""
        self._held_back: frozenset[str] = frozenset()
        self._reloaded: set[str] = set()
        """Units that ran when they were reloaded by what may be a restart. One that does not run now failed to come up again: a
        rollback reloads it again instead of taking it for one that nobody has started."""

    def reload(self, units: Sequence[Unit], candidate: Candidate, *, all_of_them: bool = False) -> AgentError | None:
        """Reload each unit once, up to the first that fails, or all of them. Return the first error."""
        errors: list[AgentError] = []
        for unit in units:
            error = self._reload_unit(unit, candidate)
            errors += [error] if error else []
            if errors and not all_of_them:
                break
        return errors[0] if errors else None

    def leave_out_unnamed(self, units: Sequence[Unit], candidate: Candidate) -> None:
        """Neither reload nor start services whose main file is the administrator's and doesn't name the agent's files yet."""
        for unit in units:
            try:
                command = unit.included(candidate)
            except AgentError:
                continue  # its plugin fails in other questions as well, which are told of
            result = self._context.runner.run(command) if command else None
            if result is not None and not result.ok and not result.missing:
                self.unnamed[unit.name] = self._absent[unit.name] = self.down[unit.name] = result.summary

    def unnamed_of(self, units: Sequence[Unit], module: str) -> list[str]:
        """Return which services of a module are left out like that."""
        return [unit.name for unit in units if module in unit.modules and unit.name in self.unnamed]

    def hold_back(self, units: Iterable[str]) -> None:
        """Leave units that don't run as they are: their start has just failed, and nothing has changed since."""
        self._held_back = frozenset(units)

    def _reload_unit(self, unit: Unit, candidate: Candidate) -> AgentError | None:
        if not isinstance(unit, EntryUnit) and unit.name not in candidate.contexts:
            return None
        if not self._context.boot:
            restore_pid_file(self._context, unit, candidate)
        why_down = "" if unit.name in self._reloaded else self.down.get(unit.name) or self._why_down(unit, candidate)
        if why_down and not self._start(unit, candidate):
            self.down[unit.name] = why_down
            return None
        action = None if why_down else unit.reload(candidate)
        result = self._context.runner.run(action) if action else None
        if result is not None and unit.disruptive:
            self._reloaded.add(unit.name)
        if result is None or result.ok:
            return None
        if result.missing or result.lacks_systemd:
            self.down[unit.name] = result.absence if result.lacks_systemd else result.summary
            return None
        return ReloadFailed(unit.name, result.action.shown, result.reason, result.account)

    def _why_down(self, unit: Unit, candidate: Candidate) -> str:
        """Return why a unit can't be reloaded, or nothing when it runs."""
        if self._context.boot:
            return "services have not been started yet"
        why = why_not_running(self._context.runner, unit.running(candidate), self._context.enabled.layout.root)
        if why is not None:
            return why
        places = self._dead_places(unit)
        return f"nobody listens at {few(places)}" if places else ""

    def _start(self, unit: Unit, candidate: Candidate) -> bool:
        if not unit.may_start or unit.name in {*self._absent, *self._held_back} or self._context.boot:
            return False
        command = unit.start(candidate)
        if command is None:
            return False
        result = self._context.runner.run(replace(command, stays="systemctl" not in command.argv))
        if not result.ok and not result.lacks_systemd:
            failed = StartFailed(unit.name, command.shown, result.reason, result.account)
            failed.mend_with(unit.cure_for(result.output))
            self.not_started[unit.name] = failed
        if result.ok:
            note_start(self._context, unit.name)
        return result.ok
