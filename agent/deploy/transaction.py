"""Transaction of one group of modules and services: they switch as one, or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.deploy.deploy_context import DeployContext, back_off
from agent.deploy.differences import Difference, Target, with_last_configuration
from agent.deploy.footprints import Footprints, former_units, unit_of
from agent.deploy.isolation import Isolation, explained, is_same_failure
from agent.deploy.outcomes import Failure
from agent.deploy.record import Move, TransactionRecord
from agent.deploy.refusals import Refusals
from agent.deploy.retention import drop_refused, sweep, sweep_entries
from agent.deploy.switching import Switching, store_phase
from agent.deploy.trial import StagedCandidate, Trial, differences_of
from agent.deploy.units import EmptiedUnit, SharedUnit, Unit, units_of
from agent.deploy.warnings import keep_warnings
from agent.errors import AgentError
from agent.errors.deploy import CheckRefused, ServiceRefusesPresent
from agent.model.deployment import Deployment, Outcome, RefusedKind, Step
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
        self._in_place: Switching | None = None
        """Renames that a service's test needed; the switch takes them over, or they are undone."""
        self._has_kept = False
        """Whether the first refused candidate of this transaction was kept for people to look at."""

    def run(self) -> None:
        """Deploy what is due. Failures are stored, reported and tried again with back-off, not raised."""
        self._drop_refused()
        for _ in range(MOST_SWITCHES):
            failure = self._attempt(self._targets())
            if failure is None or not self._prepare_next_attempt():
                return

    def _drop_refused(self) -> None:
        """Remove what the last try has left for people to look at."""
        places = [*map(self._context.module_dir, self._deploys)]
        places += [self._context.service_dir(unit.name) for unit in self._units if isinstance(unit, SharedUnit)]
        with self._context.store.write():
            for generation_dir in places:
                drop_refused(self._context, generation_dir)

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
            return Target(module, chains, render(chains), live, render)
        except AgentError as error:
            self._refusals.add(Difference(module, "", RefusedKind.CONFIGURATION, self._deploys[module].inputs), error)
            if live is None:
                self._store_refused(module)
                return None
            last = with_last_configuration(live, chains)
            return Target(module, chains, last, live, lambda _some: last)

    # Attempt

    def _attempt(self, targets: Sequence[Target]) -> Failure | None:
        """Stage, test and switch once. Return why the switch could not stay."""
        found = differences_of(targets)
        self._refusals.wanted |= {difference.subject for difference in found}
        differences = [difference for difference in found if self._refusals.may_be_tried(difference)]
        trial = Trial(self._context, targets, self._units, self._repair)
        staged = self._find_acceptable(trial, differences)
        if staged is not None and self._is_all_refused(staged, targets):
            trial.discard(staged)
            staged = None
        if staged is not None:
            keep_warnings(self._context, staged.warnings.items())
        if staged is None or not (staged.generations or staged.entries):
            self._undo_in_place()
            self._store_nothing_to_do(targets, refused=staged is None)
            if staged is not None and self._all_wait(targets):
                Switching(self._context, self._record(staged, targets, [])).settle()
            return None
        record = self._record(staged, targets, [each for each in differences if each not in self._refusals.errors])
        trial.flush()
        self._store_staged(staged, record)
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
        if switching.can_go_back():
            switching.go_back(failure)
        elif not self._has_alternatives(failure, switching.record):
            switching.keep_broken(failure)
            return None
        else:
            switching.keep()
        return self._blame(failure, switching.record)

    def _find_acceptable(self, trial: Trial, differences: Sequence[Difference]) -> StagedCandidate | None:
        """Stage as much as the services accept. None: they accept nothing, or refuse even what is in service."""
        staged, error = self._try(trial, frozenset(differences))
        if error is None:
            return staged
        present = self._try_and_discard(trial, frozenset())
        if present is None or not (self._is_anything_live() or is_same_failure(present, error)):
            return self._isolate(trial, differences, error)
        return self._find_with_last_entries(trial, differences, error, present)

    def _find_with_last_entries(
        self, trial: Trial, differences: Sequence[Difference], whole: AgentError, without: AgentError
    ) -> StagedCandidate | None:
        """Try the differences with the last good entries.

        `whole`: why everything together was refused; `without`: why the new entries are, without the differences.
        """
        trial.keep_entries = True
        present = self._try_and_discard(trial, frozenset())
        error = without
        if present is not None:
            error = _present_refused(whole, present) if self._is_anything_live() else whole
        for module, deploy in self._deploys.items():
            self._refusals.add(Difference(module, "", RefusedKind.CONFIGURATION, deploy.inputs), error)
        # With their last entries, services that modules leave would go on including what is about to go.
        return None if present is not None or self._left_services else self._find_acceptable(trial, differences)

    def _is_anything_live(self) -> bool:
        return any(self._context.live(module) for unit in self._units for module in unit.modules)

    def _isolate(self, trial: Trial, differences: Sequence[Difference], error: AgentError) -> StagedCandidate | None:
        isolation = Isolation(lambda accepted: self._try_and_discard(trial, accepted))
        isolation.run([difference for difference in differences if difference not in self._refusals.errors], error)
        for difference, why in explained(isolation.refused, error).items():
            self._refusals.add(difference, why)
        staged, again = self._try(trial, isolation.accepted)
        if again is not None:
            self._refusals.add_all(isolation.accepted, again)
            return None
        return staged

    def _try_and_discard(self, trial: Trial, accepted: frozenset[Difference]) -> AgentError | None:
        staged, error = self._try(trial, accepted)
        self._undo_in_place()
        if staged is not None:
            trial.discard(staged)
        return error

    def _try(self, trial: Trial, accepted: frozenset[Difference]) -> tuple[StagedCandidate | None, AgentError | None]:
        """Stage a candidate and test it. Differences that the preflight refuses are left out."""
        while True:
            accepted = frozenset(difference for difference in accepted if difference not in self._refusals.errors)
            try:
                staged = trial.stage(accepted)
            except AgentError as error:
                return None, error
            if not staged.refused:
                break
            self._keep_first_refused(trial, staged)
            trial.discard(staged)
            for difference, why in staged.refused.items():
                self._refusals.add(difference, why)
        refusal = staged.refusal or self._check_in_place(trial, staged, accepted)
        if refusal is not None:
            self._keep_first_refused(trial, staged)
            trial.discard(staged)
            return None, refusal
        return staged, None

    def _check_in_place(
        self, trial: Trial, staged: StagedCandidate, accepted: frozenset[Difference]
    ) -> AgentError | None:
        """Rename, test, and rename back when refused: for services whose main file belongs to the administrator.

        The transaction stays stored until the switch takes the renames over, so that a crash in between is undone.
        """
        if not any(unit.checks_in_place for unit in (*self._units, *self._former(staged))):
            return None
        record = self._record(staged, [], list(accepted))
        trial.flush()
        self._store_staged(staged, record)
        self._in_place = Switching(self._context, record)
        error = self._in_place.rename() or trial.check_in_place(staged) or self._refusal_of_former(staged)
        if error is not None:
            self._keep_first_refused(trial, staged)
            self._undo_in_place()
        return error

    def _keep_first_refused(self, trial: Trial, staged: StagedCandidate) -> None:
        """Keep what nobody has taken apart yet; candidates of the search for the cause are of no use to people."""
        if not self._has_kept:
            trial.keep_refused(staged)
            self._has_kept = True

    def _former(self, staged: StagedCandidate) -> list[EmptiedUnit]:
        """Return the daemons that have the present entries, where others are going to have the new ones."""
        changed = [unit for unit in self._units if unit.name in staged.entries]
        return former_units(self._context, changed, staged.candidate)

    def _refusal_of_former(self, staged: StagedCandidate) -> AgentError | None:
        """Have daemons tested from which a published file was taken away: the administrator's main file may still name it."""
        for unit in self._former(staged):
            command = unit.check(staged.candidate) if unit.checks_in_place else None
            result = self._context.runner.run(command) if command else None
            if command and result and not (result.ok or result.missing):
                return CheckRefused(unit.name, command.shown, result.reason, result.account)
        return None

    def _undo_in_place(self) -> None:
        """Undo the renames that a test needed."""
        if self._in_place is not None:
            self._in_place.abandon()
            self._in_place = None

    # Stored state

    def _record(
        self, staged: StagedCandidate, targets: Sequence[Target], differences: Sequence[Difference]
    ) -> TransactionRecord:
        modules = {}
        for module in {*staged.generations, *(each.module for each in targets)}:
            live = self._context.live(module)
            old = live.number if live else None
            new = staged.generations[module].number if module in staged.generations else old
            modules[module] = Move(old, new)
        entries = {
            service: Move(self._context.store.deployments.entry(service), generation.number)
            for service, generation in staged.entries.items()
        }
        return TransactionRecord(
            id=secrets.token_hex(8),
            job=self._context.job,
            modules=modules,
            entries=entries,
            inputs={module: self._deploys[module].inputs for module in modules},
            renames=tuple(staged.renames),
            differences=tuple(differences),
            absent=staged.absent,
            services=self._left_services,
            former=tuple(action for unit in self._former(staged) if (action := unit.reload(staged.candidate))),
        )

    def _store_staged(self, staged: StagedCandidate, record: TransactionRecord) -> None:
        now = self._context.clock()
        deployments = self._context.store.deployments
        with self._context.store.write():
            for generation in (*staged.generations.values(), *staged.entries.values()):
                deployments.put_generation(generation, staged.texts, now)
            if self._in_place is not None:
                deployments.end_transaction(self._in_place.record.id)
                self._in_place = None
            store_phase(self._context, record, Step.STAGED)
        self._context.tell_step(Step.STAGED, record.concerned)

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
            retry_at=now + back_off(attempts) if broken else None,
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
        """Keep the chain in service while it is good, else take the next one down the ladder."""
        deploy = self._deploys[module]
        live = self._context.live(module)
        chain = live.chains.get(slot) if live else None
        refused = frozenset(
            each.subject for each in self._refusals.errors if (each.module, each.slot) == (module, slot)
        )
        record = self._context.records.get(chain or "")
        if chain in refused or record is None or not record.good(self._context.clock()):
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


def _present_refused(whole: AgentError, present: AgentError) -> AgentError:
    """Return the first failure, and that what is in service is refused too: as the cause, where it is the same one."""
    if not isinstance(whole, CheckRefused) or not isinstance(present, CheckRefused):
        return whole
    if is_same_failure(whole, present):
        return ServiceRefusesPresent(whole.where, whole.program, whole.reason, whole.detail)
    both = f"{whole.detail}\n\nEven what is in service is refused:\n{present.detail}"
    return CheckRefused(whole.where, whole.program, whole.reason, both)
