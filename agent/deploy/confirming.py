"""Confirmation that services run the configuration that they were told to read, where a chain on the wire does not show it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from agent.deploy.deploy_context import DeployContext
from agent.deploy.endpoints import TransactionEndpoints
from agent.deploy.record import TransactionRecord
from agent.deploy.units import Candidate, OwnUnit, Unit
from agent.errors.served import NotConfirmed
from agent.model.deployment import Outcome, RefusedKind
from agent.system.command import Command, CommandResult

PAUSE = 0.1
"""Seconds between two tries: reloads are asynchronous."""


class Confirmations:
    """What shows, after a switch, that the services of one transaction run the new configuration."""

    def __init__(self, context: DeployContext, record: TransactionRecord, endpoints: TransactionEndpoints) -> None:
        self._context = context
        self._record = record
        self._endpoints = endpoints
        self.unseen: frozenset[str] = frozenset()
        """Modules of which nothing shows it."""

    def confirm(self, units: Sequence[Unit], candidate: Candidate) -> NotConfirmed | None:
        """Ask units that have changed, and keep whose configuration nothing shows. Return that one still runs an older one."""
        unseen: set[str] = set()
        for unit in units:
            if not self._has_changed(unit) or self._is_shown(unit) or unit.reload_proves:
                continue
            command = _command(unit, candidate)
            result = self._run(command) if command else None
            if result is not None and not result.ok and not result.missing:
                return NotConfirmed(unit.name, result.action.shown, result.reason, result.account)
            if result is None or result.missing:
                unseen |= {module for module in unit.modules if module in self._record.modules}
        self.unseen = frozenset(unseen)
        return None

    def _has_changed(self, unit: Unit) -> bool:
        """Whether it was given another configuration, or a chain that no endpoint shows."""
        configured = {each.module for each in self._record.differences if each.kind is RefusedKind.CONFIGURATION}
        # A repair moves modules, and with them the entry that names their directories: nothing is configured otherwise.
        entry_alone = unit.name in self._entries and set(self._record.moved).isdisjoint(unit.modules)
        return entry_alone or not (configured | self._unwatched).isdisjoint(unit.modules)

    @property
    def _unwatched(self) -> set[str]:
        """Modules without an endpoint that were given something, or have waited for their service."""
        known = self._context.store.deployments.all()
        settled = {name for name, each in known.items() if each.outcome is Outcome.LIVE} - set(self._record.moved)
        return {
            module for module in self._record.modules if module not in settled and not self._endpoints.any_of(module)
        }

    @property
    def _entries(self) -> set[str]:
        return {name for name, move in self._record.entries.items() if move.old != move.new}

    def _is_shown(self, unit: Unit) -> bool:
        """Whether an endpoint shows the number of a new generation, or the leaf of a chain that was not served before."""
        moved = set(self._record.moved) & set(unit.modules)
        return any(self._endpoints.shows(module) for module in moved)

    def _run(self, command: Command) -> CommandResult:
        """Run a command until it succeeds, or time is up."""
        deadline = time.monotonic() + self._context.wait_policy.timeout
        while True:
            left = max(deadline - time.monotonic(), 1.0)
            result = self._context.runner.run(replace(command, timeout=min(command.timeout, left)))
            if result.ok or result.missing or time.monotonic() >= deadline:
                return result
            self._context.prober.wait(PAUSE)


def _command(unit: Unit, candidate: Candidate) -> Command | None:
    if isinstance(unit, OwnUnit) and unit.name not in candidate.contexts:
        return None
    return unit.confirm(candidate)


def names_of(units: Iterable[Unit], module: str) -> str:
    """Return the services of a module, as a sentence names them."""
    return " and ".join(unit.name for unit in units if module in unit.modules)
