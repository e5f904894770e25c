"""Transaction of one group of modules and services: they switch as one, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.deploy.candidates import Candidates, RepairFailed
from agent.deploy.deploy_context import DeployContext, back_off_of
from agent.deploy.differences import Difference, Target, with_last_configuration
from agent.deploy.footprints import Footprints, unit_of
from agent.deploy.outcomes import Failure
from agent.deploy.record import TransactionRecord
from agent.deploy.refusals import Refusals
from agent.deploy.retention import sweep, sweep_entries
from agent.deploy.switching import Switching
from agent.deploy.trial import StagedCandidate, Trial, differences_of
from agent.deploy.units import Unit, units_of
from agent.deploy.warnings import keep_warnings
from agent.errors import AgentError
from agent.model.deployment import Deployment, Outcome, RefusedKind, Step
from agent.model.handover import serves_on
from agent.planning import Deploy
from agent.rendering.render import Rendering

MOST_SWITCHES = 3
"""Switches in one pass: the first, and again without what was refused on the wire."""


@dataclass(frozen=True)
class Group:
    """Modules connected by the services that they share, with what is to be deployed of each."""

    deploys: Mapping[str, Deploy]
    services: tuple[str, ...] = ()
    """Shared services that modules of the group leave: they were part of them when they were deployed last."""


class Transaction:
    """Deployment of one group through all steps."""

    def __init__(self, context: DeployContext, group: Group) -> None:
        self._context = context
        self._deploys = dict(group.deploys)
        self._repair = frozenset(name for name, deploy in self._deploys.items() if deploy.repair)
        left = [unit for service in group.services if (unit := unit_of(context, service, entirely=True))]
        self._left_services = tuple(unit.name for unit in left)
        self._units: list[Unit] = [*units_of(context.enabled, tuple(self._deploys)), *left]
        self._refusals = Refusals(context)
        self._candidates = Candidates(context, self._deploys, self._units, self._left_services, self._refusals)

    def run(self) -> frozenset[str]:
        """Deploy what is due. Failures are stored, reported and tried again with back-off, not raised.

        Return the modules whose own paths keep the others from being switched with them.
        """
        self._candidates.drop_refused()
        for _ in range(MOST_SWITCHES):
            try:
                failure = self._attempt(self._targets())
            except RepairFailed as failed:
                self._candidates.undo_in_place()
                self._refuse(failed.module, failed.error)
                return frozenset({failed.module})
            if failure is None or failure.stuck or not self._prepare_next_attempt():
                return failure.stuck if failure else frozenset()
        return frozenset()

    def _refuse(self, module: str, error: AgentError) -> None:
        self._refusals.add(Difference(module, "", RefusedKind.CONFIGURATION, self._deploys[module].inputs), error)
        self._store_refused(module)

    # Targets

    def _targets(self) -> list[Target]:
        return [target for module in self._deploys if (target := self._target(module))]

    def _target(self, module: str) -> Target | None:
        """Return a module's target, with its last configuration when the new one can't be rendered."""
        context = self._context
        live = context.live(module)
        chains = context.facts(self._deploys[module].chains)

        def render(some: Mapping[str, object]) -> Rendering:
            return context.enabled.render(module, {slot: chains[slot] for slot in some})

        try:
            context.enabled.check_endpoints(module, chains)
            return Target(module, chains, render(chains), live, render, context.store.deployments.texts)
        except AgentError as error:
            if live is None:
                self._refuse(module, error)
                return None
            self._refusals.add(Difference(module, "", RefusedKind.CONFIGURATION, self._deploys[module].inputs), error)
            last = with_last_configuration(live, chains)
            return Target(module, chains, last, live, lambda _some: last)

    # Attempt

    def _attempt(self, targets: Sequence[Target]) -> Failure | None:
        """Stage, test and switch once. Return why the switch could not stay."""
        found = differences_of(targets)
        self._refusals.wanted |= {difference.subject for difference in found}
        differences = [difference for difference in found if self._refusals.may_be_tried(difference)]
        trial = Trial(self._context, targets, self._units, self._repair)
        staged = self._candidates.find_acceptable(trial, differences)
        if staged is not None and self._is_all_refused(staged, targets):
            trial.discard(staged)
            staged = None
        if staged is not None:
            keep_warnings(self._context, staged.warnings.items())
        if staged is None or not (staged.generations or staged.entries):
            self._candidates.undo_in_place()
            self._store_nothing_to_do(targets, refused=staged is None)
            if staged is not None and self._all_wait(targets):
                Switching(self._context, self._candidates.record_of(staged, targets, [])).settle()
            return None
        record = self._candidates.record_of(
            staged, targets, [each for each in differences if each not in self._refusals.errors]
        )
        trial.flush()
        self._candidates.store(staged, record)
        switching = Switching(self._context, record)
        failure = self._switch(trial, staged, switching)
        if failure is None:
            self._refusals.drop_stale(self._deploys.values())
        return failure

    def _is_all_refused(self, staged: StagedCandidate, targets: Sequence[Target]) -> bool:
        """Whether only entries without any module would switch: that would look like waiting, and hide the refusal."""
        return bool(self._refusals.errors) and not staged.generations and all(each.live is None for each in targets)

    def _switch(self, trial: Trial, staged: StagedCandidate, switching: Switching) -> Failure | None:
        failure = switching.forward()
        if failure is None:
            return None
        if not failure.stuck and switching.is_first:
            switching.keep_waiting(failure)
            return None
        if failure.stuck or switching.can_go_back():
            switching.go_back(failure)
        elif not self._has_alternatives(failure, switching.record):
            switching.keep_broken(failure)
            return None
        else:
            switching.keep()
        return failure if failure.stuck else self._blame(failure, switching.record)

    # Stored state

    def _store_nothing_to_do(self, targets: Sequence[Target], *, refused: bool) -> None:
        """Store that this was tried: the generation in service is the target, or everything was refused."""
        for each in targets:
            if refused:
                self._store_refused(each.module)
            else:
                self._store_same(each.module)
        self._refusals.drop_stale(self._deploys.values())

    def _all_wait(self, targets: Sequence[Target]) -> bool:
        present = [self._context.deployment(each.module) for each in targets]
        return bool(present) and all(each is not None and each.outcome is Outcome.WAITING for each in present)

    def _store_same(self, module: str) -> None:
        present = self._context.deployment(module)
        if present is None or self._refusals.of(module):
            self._store_refused(module)
            return
        outcome = present.outcome if present.outcome in {Outcome.WAITING, Outcome.UNSEEN} else Outcome.LIVE
        kept = replace(present, outcome=outcome, inputs=self._deploys[module].inputs, attempts=0, retry_at=None)
        if outcome is Outcome.LIVE:
            kept = replace(kept, problem=None, step="")
        footprints = Footprints(self._context, {module: self._context.live(module)})
        with self._context.store.write():
            footprints.store()
            self._context.store.deployments.put(kept)

    def _store_refused(self, module: str) -> None:
        present = self._context.deployment(module)
        problem = next((self._refusals.problem(each) for each in self._refusals.of(module)), None)
        attempts = (present.attempts if present else 0) + 1
        broken = module in self._repair
        now = self._context.clock()
        row = Deployment(
            module=module,
            generation=present.generation if present else None,
            outcome=Outcome.BROKEN if broken else Outcome.REFUSED,
            step=str(Step.CHECK),
            problem=problem,
            inputs=self._deploys[module].inputs,
            at=now,
            attempts=attempts,
            retry_at=now + back_off_of(problem, attempts) if broken else None,
            tried_at=now,
        )
        with self._context.store.write():
            self._context.store.deployments.put(row)
        self._sweep(module)

    def _sweep(self, module: str) -> None:
        sweep(self._context, module)
        for service in self._context.enabled.modules[module].services:
            sweep_entries(self._context, service)

    # After a failure on the wire

    def _blame(self, failure: Failure, record: TransactionRecord) -> Failure:
        """Refuse what changed at the failing endpoints, or everything that changed if none is known."""
        blamed = [
            difference for difference in record.differences if (difference.module, difference.slot) in failure.slots
        ]
        chains = [difference for difference in blamed if difference.kind is RefusedKind.CHAIN]
        for difference in chains or blamed or record.differences:
            error = failure.slots.get((difference.module, difference.slot), failure.error)
            self._refusals.add(difference, error)
        return failure

    def _prepare_next_attempt(self) -> bool:
        """Prepare another attempt without what was refused. Return whether there is anything left to try."""
        for difference in self._refusals.errors:
            if difference.kind is RefusedKind.CHAIN:
                self._choose_fallback(difference.module, difference.slot)
        return any(self._refusals.may_be_tried(difference) for difference in differences_of(self._targets()))

    def _choose_fallback(self, module: str, slot: str) -> None:
        """Keep the chain in service while it is good and doesn't end soon, else take the next one down the ladder."""
        deploy = self._deploys[module]
        live = self._context.live(module)
        chain = live.chains.get(slot) if live else None
        refused = frozenset(
            each.subject for each in self._refusals.errors if (each.module, each.slot) == (module, slot)
        )
        if chain in refused or not serves_on(self._context.records.get(chain or ""), self._context.clock()):
            chain = self._context.alternative(module, slot, refused)
        if chain is not None:
            self._deploys[module] = replace(deploy, chains={**deploy.chains, slot: chain})

    def _has_alternatives(self, failure: Failure, record: TransactionRecord) -> bool:
        return any(
            self._context.alternative(difference.module, difference.slot, frozenset({difference.subject}))
            for difference in record.differences
            if difference.kind is RefusedKind.CHAIN
            and (not failure.slots or (difference.module, difference.slot) in failure.slots)
        )
