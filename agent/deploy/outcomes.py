"""Outcomes of a switch: what is stored and told of its modules when it stays, and when it went back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from agent.deploy.confirming import Confirmations, names_of
from agent.deploy.deploy_context import HARMLESS, DeployContext, back_off_of
from agent.deploy.endpoints import TransactionEndpoints
from agent.deploy.failed_starts import FailedStarts
from agent.deploy.first_files import FirstFiles
from agent.deploy.record import TransactionRecord
from agent.deploy.reloading import Reloader
from agent.deploy.units import Candidate, EntryUnit, Unit
from agent.errors import AgentError, Problem
from agent.errors.deploy import (
    PUT_BACK,
    PUT_BACK_AND_SEEN,
    TAKEN_OUT,
    NoSystemd,
    NotIncluded,
    RollbackFailed,
    ServiceDown,
)
from agent.errors.served import NewSessionsFail, NotConfirmed, NotSeen, ProbeFailed, WrongChainServed, WrongGeneration
from agent.model.deployment import Deployment, EndpointRecord, Outcome, Step
from agent.model.events import EventKind
from agent.system.command import NO_SYSTEMD

UNSEEN = frozenset(
    each.code for each in (ProbeFailed, NewSessionsFail, WrongChainServed, WrongGeneration, NotConfirmed)
)
"""Codes of what shows after a reload that has succeeded."""


@dataclass
class Failure:
    """Reason why a switch can't stay."""

    error: AgentError
    slots: dict[tuple[str, str], AgentError] = field(default_factory=dict)
    """`(module, slot)` whose endpoints do not serve what they should; empty: the services as a whole."""
    stuck: frozenset[str] = frozenset()
    """Modules whose own paths can't be changed: without them, the others can switch."""


class Outcomes:
    """What is known of the modules of one transaction after its switch."""

    def __init__(
        self,
        context: DeployContext,
        record: TransactionRecord,
        units: Sequence[Unit],
        reloader: Reloader,
        endpoints: TransactionEndpoints,
        confirmations: Confirmations,
        first: FirstFiles,
    ) -> None:
        self._context = context
        self._record = record
        self._units = units
        self._reloader = reloader
        self._endpoints = endpoints
        self._confirmations = confirmations
        self._first = first

    def tell_kept(self, deployment: Deployment) -> None:
        """Tell that a generation is in service, is switched to without being seen, or waits for its service."""
        waiting = deployment.outcome is Outcome.WAITING
        switched = "switched, not seen" if deployment.outcome is Outcome.UNSEEN else "in service"
        text = (
            deployment.problem.cause
            if waiting and deployment.problem
            else f"generation {deployment.generation} is {switched}"
        )
        kind = EventKind.WAITING if waiting else EventKind.DEPLOYED
        self._context.tell(kind, text, deployment.module, generation=deployment.generation)

    def keep_module(self, module: str, rows: list[EndpointRecord], unseen: Mapping[str, Problem | None]) -> Deployment:
        """Store a module's new generation as what is in service now, or waits. Call inside `Store.write`.

        `rows`: what is to be stored of its endpoints, which takes asking the module and the kernel. `unseen`: as `unseen` says.
        """
        context, record = self._context, self._record
        down = self._why_waiting(module, rows)
        if isinstance(down, ServiceDown) and self._has_stopped(module, rows):
            down = None
        deployment = Deployment(
            module=module,
            generation=record.modules[module].new,
            outcome=Outcome.WAITING if down else Outcome.LIVE,
            step=str(Step.RELOADING) if down else "",
            problem=down.problem if down else None,
            inputs=record.inputs.get(module, ""),
            at=context.clock(),
        )
        if down is not None:
            deployment = self._first.counted(FailedStarts(context).counted(deployment, down))
        elif module in unseen:
            deployment = replace(deployment, outcome=Outcome.UNSEEN, problem=unseen[module])
        context.store.endpoints.put(module, rows)
        context.store.deployments.put(deployment)
        accepted = [difference.subject for difference in record.differences if difference.module == module]
        context.store.deployments.forget_refusals(module, HARMLESS)  # its files are in place
        if not down:
            context.store.deployments.accept(module, accepted)
        return deployment

    def _is_unseen(self, module: str) -> bool:
        """Whether nothing shows that the service runs the configuration: now, or since it was switched to."""
        last = self._context.deployment(module)
        changed = module in self._record.moved or any(
            unit.name in self._record.entries for unit in self._units if module in unit.modules
        )
        still = last is not None and last.outcome is Outcome.UNSEEN and not changed
        return still or module in self._confirmations.unseen

    def unseen(self) -> dict[str, Problem | None]:
        """Return the modules that are switched, not seen: a problem, unless the plugin says that nothing can show it."""
        enabled, found = self._context.enabled, dict[str, Problem | None]()
        for module in filter(self._is_unseen, self._record.modules):
            explained = enabled.hooks.text_of(enabled.modules[module], "unprobed", "")
            found[module] = None if explained else NotSeen(module, names_of(self._units, module)).problem
        return found

    def stopped(self) -> set[str]:
        """Return the modules whose service has served and is gone."""
        of = self._context.store.endpoints.of
        return {module for module in self._record.modules if any(row.stopped for row in of(module))}

    def _has_stopped(self, module: str, rows: list[EndpointRecord]) -> bool:
        """Whether what was in service still is, but for its service: that is told of its endpoints, which have served."""
        last, move = self._context.deployment(module), self._record.modules[module]
        was_live = last is not None and last.outcome is Outcome.LIVE and last.generation == move.new
        return was_live and any(row.gone for row in rows)

    def _why_waiting(self, module: str, rows: list[EndpointRecord]) -> AgentError | None:
        if module in self._first.refused:
            return self._first.refused[module]
        for service in self._reloader.unnamed_of(self._units, module):
            return NotIncluded(service, self._reloader.unnamed[service].rstrip("."))
        for unit in self._units:
            if module in unit.modules and unit.name in self._reloader.not_started:
                return self._reloader.not_started[unit.name]
            if module in unit.modules and unit.name in self._reloader.down:
                return service_down(unit, self._reloader.down[unit.name])
        unserved = (row for row in rows if row.problem is not None and not row.further)
        dead = next((row for row in unserved if not row.new_sessions_fail), None)
        return ServiceDown(module, f"nobody listens at {dead.address}") if dead else None

    def rollback_problem(self, module: str, failure: Failure, again: Failure | None) -> Problem:
        """Return what is told of a module that went back. `again`: why what it went back to isn't seen either."""
        if again is None:
            return failure.error.problem
        error = RollbackFailed(module, failure.error.problem.cause, again.error.problem.cause)
        error.detail = failure.error.problem.detail
        return error.problem

    def store_rollback(self, module: str, outcome: Outcome, problem: Problem, rows: list[EndpointRecord]) -> None:
        """Store that a module went back, with its endpoints' `rows`. Call inside `Store.write`. `problem`: as `told` says it."""
        move = self._record.modules[module]
        present = Deployment(module, move.old, outcome, inputs=self._record.inputs.get(module, ""))
        self._context.store.endpoints.put(module, rows)
        self.store_problem(present, outcome, Step.GOING_BACK, problem)

    def try_at_once(self, modules: Iterable[str]) -> None:
        """Let modules that went back for another one's sake be deployed without it. Call inside `Store.write`."""
        for module in modules:
            present = self._context.deployment(module)
            if present is not None:
                self._context.store.deployments.put(replace(present, retry_at=self._context.clock()))

    def explained(self, failure: Failure, candidate: Candidate) -> Failure:
        """Return a failure with what the main files of the services lack, where that is why nothing is seen of the new files."""
        lacking: dict[str, AgentError] = {}
        for unit in self._units if failure.error.problem.code in UNSEEN else ():
            with suppress(AgentError):  # its plugin fails in other questions as well, which are told of
                if reason := unit.why_unseen(candidate):
                    lacking |= {module: NotIncluded(unit.name, reason) for module in unit.modules}
        if not lacking:
            return failure
        slots = {place: lacking.get(place[0], error) for place, error in failure.slots.items()}
        first = next(iter(slots.values()), None) or next(iter(lacking.values()))
        return Failure(first, slots)

    def say_what_is_served(self, failure: Failure, modules: Iterable[str]) -> None:
        """Complete the errors, which are stored of the modules and of what was refused."""
        for module in modules:
            of_module = [error for (name, _slot), error in failure.slots.items() if name == module]
            for error in of_module or [failure.error]:
                error.effect = self._effect_of_going_back(module)

    def _effect_of_going_back(self, module: str) -> str:
        """Say what is known of what is served now: only what was seen after the renames were undone."""
        if self._record.modules[module].old is None:
            return TAKEN_OUT
        return PUT_BACK_AND_SEEN if self._endpoints.seen_served(module) else PUT_BACK

    def store_problem(self, present: Deployment, outcome: Outcome, step: Step, problem: Problem) -> None:
        """Store a deployment with what went wrong, as `told` says it, to be tried again with back-off."""
        context = self._context
        last = context.deployment(present.module)
        attempts = (last.attempts if last else 0) + 1
        now = context.clock()
        retry_at = now + back_off_of(problem, attempts)
        context.store.deployments.put(
            replace(
                present,
                outcome=outcome,
                step=str(step),
                problem=replace(problem, retry_at=retry_at),
                at=now,
                attempts=attempts,
                retry_at=retry_at,
                tried_at=now,
            )
        )


def service_down(unit: Unit, why: str) -> AgentError:
    """Return the error of a service that can't be reloaded."""
    if why == NO_SYSTEMD:
        return NoSystemd(unit.name, shared=isinstance(unit, EntryUnit))
    return ServiceDown(unit.name, why)
