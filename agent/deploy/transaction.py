"""One group of modules and services that hang together: they switch as one, or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.deploy.deploy_context import DeployContext, back_off
from agent.deploy.differences import Difference, Target, with_last_configuration
from agent.deploy.isolation import Isolation
from agent.deploy.record import Move, TransactionRecord
from agent.deploy.retention import sweep, sweep_entries
from agent.deploy.switching import Failure, Switching, store_phase
from agent.deploy.trial import StagedCandidate, Trial, changed
from agent.deploy.units import Unit, units_of
from agent.errors import AgentError
from agent.errors.deploy import CheckRefused, ServiceRefusesPresent
from agent.model.deployment import Deployment, Outcome, Refusal, RefusedKind, Step
from agent.model.events import EventKind
from agent.planning import Deploy
from agent.rendering.render import Rendering

ROUNDS = 3
"""Switches in one pass: the first, and again without what was refused on the wire."""


@dataclass(frozen=True)
class Group:
    """Modules that share a service, directly or by others, with what is to be deployed of each."""

    deploys: Mapping[str, Deploy]
    services: tuple[str, ...] = ()
    """Shared services whose entry is looked at though none of their modules changes."""


class Transaction:
    """Takes a group through the steps."""

    def __init__(self, context: DeployContext, group: Group) -> None:
        self._context = context
        self._deploys = dict(group.deploys)
        self._repair = frozenset(name for name, deploy in self._deploys.items() if deploy.repair)
        self._units: list[Unit] = units_of(context.enabled, tuple(self._deploys), group.services)
        self._refused: dict[Difference, AgentError] = {}
        self._asked: set[str] = set()
        """Subjects of every difference, those too that are not tried now."""
        self._in_place: Switching | None = None
        """Renames that a service's test needed, to be taken over by the switch or undone."""
        now = context.clock()
        self._held = [refusal for refusal in context.store.deployments.refusals() if refusal.holds(now)]

    def run(self) -> None:
        """Deploy what is due. What goes wrong is stored, told and tried again with back-off; nothing is raised for it."""
        for _ in range(ROUNDS):
            wanted = [want for module in self._deploys if (want := self._want(module))]
            failure = self._attempt(wanted)
            if failure is None or not self._step_down(failure):
                return

    # Proposal

    def _want(self, module: str) -> Target | None:
        """Return what a module is to have; with its last configuration when the new one can't be rendered."""
        context = self._context
        live = context.live(module)
        chains = context.facts(self._deploys[module].chains)

        def render(some: Mapping[str, object]) -> Rendering:
            return context.enabled.render(module, {slot: chains[slot] for slot in some})

        try:
            return Target(module, chains, render(chains), live, render)
        except AgentError as error:
            self._refuse(Difference(module, "", RefusedKind.CONFIGURATION, self._deploys[module].inputs), error)
            if live is None:
                self._store_refused(module)
                return None
            last = with_last_configuration(live, chains)
            return Target(module, chains, last, live, lambda _some: last)

    # Attempt

    def _attempt(self, wanted: Sequence[Target]) -> Failure | None:
        """Stage, test and switch once. Return why it could not stay."""
        found = changed(wanted)
        self._asked |= {difference.subject for difference in found}
        differences = [difference for difference in found if self._may_be_tried(difference)]
        trial = Trial(self._context, wanted, self._units, self._repair)
        staged = self._find_acceptable(trial, differences)
        if staged is not None and self._is_all_refused(staged, wanted):
            trial.discard(staged)
            staged = None
        if staged is None or not (staged.generations or staged.entries):
            self._put_back()
            self._store_nothing_to_do(wanted, refused=staged is None)
            if staged is not None and self._all_wait(wanted):
                Switching(self._context, self._record(staged, wanted, [])).settle()
            return None
        record = self._record(staged, wanted, [each for each in differences if each not in self._refused])
        trial.flush()
        self._store_staged(staged, record)
        switching = Switching(self._context, record)
        failure = self._switch(trial, staged, switching)
        if failure is None:
            self._settle_refusals()
        return failure

    def _is_all_refused(self, staged: StagedCandidate, wanted: Sequence[Target]) -> bool:
        """Whether only entries without any module would switch: that would pass for waiting, and hide why."""
        return bool(self._refused) and not staged.generations and all(each.live is None for each in wanted)

    def _switch(self, trial: Trial, staged: StagedCandidate, switching: Switching) -> Failure | None:
        failure = switching.forward()
        if failure is None:
            return None
        if switching.can_go_back():
            switching.back(failure)
        elif not self._has_alternatives(failure, switching.record):
            switching.keep_broken(failure)
            return None
        else:
            switching.keep()
        return self._blame(failure, switching.record)

    def _find_acceptable(self, trial: Trial, differences: Sequence[Difference]) -> StagedCandidate | None:
        """Stage the most that the services accept. None: they accept nothing, or not even what is in service."""
        staged, error = self._try(trial, frozenset(differences))
        if error is None:
            return staged
        present = self._try_and_discard(trial, frozenset())
        if present is None:
            return self._isolate(trial, differences, error)
        return self._find_with_last_entries(trial, differences, present)

    def _find_with_last_entries(
        self, trial: Trial, differences: Sequence[Difference], error: AgentError
    ) -> StagedCandidate | None:
        """Nothing is known against the differences: try them with the last good entries, which `error` is about."""
        trial.keep_entries = True
        present = self._try_and_discard(trial, frozenset())
        if present is not None and any(self._context.live(module) for module in self._deploys):
            error = _present_refused(present)
        for module, deploy in self._deploys.items():
            self._refuse(Difference(module, "", RefusedKind.CONFIGURATION, deploy.inputs), error)
        return None if present is not None else self._find_acceptable(trial, differences)

    def _isolate(self, trial: Trial, differences: Sequence[Difference], error: AgentError) -> StagedCandidate | None:
        isolation = Isolation(lambda accepted: self._try_and_discard(trial, accepted))
        isolation.run([difference for difference in differences if difference not in self._refused], error)
        for difference, why in isolation.refused.items():
            self._refuse(difference, why)
        staged, again = self._try(trial, isolation.accepted)
        if again is not None:
            self._refuse_all(isolation.accepted, again)
            return None
        return staged

    def _try_and_discard(self, trial: Trial, accepted: frozenset[Difference]) -> AgentError | None:
        staged, error = self._try(trial, accepted)
        self._put_back()
        if staged is not None:
            trial.discard(staged)
        return error

    def _try(self, trial: Trial, accepted: frozenset[Difference]) -> tuple[StagedCandidate | None, AgentError | None]:
        """Stage a candidate and test it. What the preflight finds is refused by itself and left out."""
        while True:
            accepted = frozenset(difference for difference in accepted if difference not in self._refused)
            try:
                staged = trial.stage(accepted)
            except AgentError as error:
                return None, error
            if not staged.culprits:
                break
            trial.discard(staged)
            for difference, why in staged.culprits.items():
                self._refuse(difference, why)
        refusal = staged.refusal or self._check_in_place(trial, staged, accepted)
        if refusal is not None:
            trial.discard(staged)
            return None, refusal
        return staged, None

    def _check_in_place(
        self, trial: Trial, staged: StagedCandidate, accepted: frozenset[Difference]
    ) -> AgentError | None:
        """Where the administrator's main file includes ours: rename, test, and rename back when refused.

        The transaction stays stored as long as the renames are not a switch's: what crashes in between is undone.
        """
        if not any(unit.checks_in_place for unit in self._units):
            return None
        record = self._record(staged, [], list(accepted))
        trial.flush()
        self._store_staged(staged, record)
        self._in_place = Switching(self._context, record)
        error = self._in_place.place() or trial.check_in_place(staged)
        if error is not None:
            self._put_back()
        return error

    def _put_back(self) -> None:
        """Undo the renames that a test needed."""
        if self._in_place is not None:
            self._in_place.abandon()
            self._in_place = None

    # What is written down

    def _record(
        self, staged: StagedCandidate, wanted: Sequence[Target], differences: Sequence[Difference]
    ) -> TransactionRecord:
        modules = {}
        for module in {*staged.generations, *(each.module for each in wanted)}:
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
            placements=tuple(staged.placements),
            differences=tuple(differences),
            absent=staged.absent,
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
        self._context.tell_step(Step.STAGED, record.moved)

    def _store_nothing_to_do(self, wanted: Sequence[Target], *, refused: bool) -> None:
        """Note that this was tried: the generation in service is what it ought to be, or everything was refused."""
        for each in wanted:
            if refused:
                self._store_refused(each.module)
            else:
                self._store_same(each.module)
        self._settle_refusals()

    def _all_wait(self, wanted: Sequence[Target]) -> bool:
        present = [self._context.deployment(each.module) for each in wanted]
        return bool(present) and all(each is not None and each.outcome is Outcome.WAITING for each in present)

    def _store_same(self, module: str) -> None:
        present = self._context.deployment(module)
        mine = [error for difference, error in self._refused.items() if difference.module == module]
        if present is None or mine:
            self._store_refused(module)
            return
        outcome = Outcome.WAITING if present.outcome is Outcome.WAITING else Outcome.LIVE
        kept = replace(present, outcome=outcome, inputs=self._deploys[module].inputs, attempts=0, retry_at=None)
        if outcome is Outcome.LIVE:
            kept = replace(kept, problem=None, step="")
        with self._context.store.write():
            self._context.store.deployments.put(kept)

    def _store_refused(self, module: str) -> None:
        present = self._context.deployment(module)
        error = next((error for difference, error in self._refused.items() if difference.module == module), None)
        attempts = (present.attempts if present else 0) + 1
        broken = module in self._repair
        now = self._context.clock()
        row = Deployment(
            module=module,
            generation=present.generation if present else None,
            outcome=Outcome.BROKEN if broken else Outcome.REFUSED,
            step=str(Step.CHECK),
            problem=error.problem if error else None,
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

    # Refusals

    def _refuse(self, difference: Difference, error: AgentError) -> None:
        """Remember a pair that was refused, with back-off."""
        known = next((each for each in self._context.store.deployments.refusals() if _same(each, difference)), None)
        attempts = (known.attempts if known else 0) + (0 if difference in self._refused else 1)
        retry_at = self._context.clock() + back_off(attempts)
        problem = replace(error.problem, retry_at=retry_at)
        self._refused[difference] = error
        refusal = Refusal(
            difference.module, difference.slot, difference.kind, difference.subject, problem, attempts, retry_at
        )
        with self._context.store.write():
            self._context.store.deployments.refuse(refusal)
        self._context.tell(
            EventKind.REFUSED, problem.cause, difference.module, slot=difference.slot, refused=str(difference.kind)
        )

    def _refuse_all(self, differences: Sequence[Difference] | frozenset[Difference], error: AgentError) -> None:
        for difference in differences:
            if difference not in self._refused:
                self._refuse(difference, error)

    def _settle_refusals(self) -> None:
        """Forget refusals of what nobody asks for any more."""
        with self._context.store.write():
            for module, deploy in self._deploys.items():
                mine = [difference.subject for difference in self._refused if difference.module == module]
                self._context.store.deployments.drop_stale_refusals(
                    module, [*deploy.chains.values(), *deploy.bound.values(), *mine, *self._asked]
                )

    # After a failure on the wire

    def _blame(self, failure: Failure, record: TransactionRecord) -> Failure:
        """Refuse what the failing endpoints changed; without a clue, everything that changed."""
        blamed = [
            difference for difference in record.differences if (difference.module, difference.slot) in failure.slots
        ]
        chains = [difference for difference in blamed if difference.kind is RefusedKind.CHAIN]
        for difference in chains or blamed or record.differences:
            error = failure.slots.get((difference.module, difference.slot), failure.error)
            self._refuse(difference, error)
        return failure

    def _step_down(self, failure: Failure) -> bool:
        """Prepare another round without what was refused. False: there is nothing left to try."""
        for difference in self._refused:
            if difference.kind is RefusedKind.CHAIN:
                self._choose_another(difference.module, difference.slot)
        wanted = [want for module in self._deploys if (want := self._want(module))]
        return any(self._may_be_tried(difference) for difference in changed(wanted))

    def _may_be_tried(self, difference: Difference) -> bool:
        return difference not in self._refused and not any(_same(refusal, difference) for refusal in self._held)

    def _choose_another(self, module: str, slot: str) -> None:
        """Keep the chain in service while it is good, else take the next one down the ladder."""
        deploy = self._deploys[module]
        live = self._context.live(module)
        chain = live.chains.get(slot) if live else None
        refused = frozenset(each.subject for each in self._refused if (each.module, each.slot) == (module, slot))
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


def _same(refusal: Refusal, difference: Difference) -> bool:
    return (refusal.module, refusal.slot, refusal.kind, refusal.subject) == (
        difference.module,
        difference.slot,
        difference.kind,
        difference.subject,
    )


def _present_refused(error: AgentError) -> AgentError:
    if not isinstance(error, CheckRefused):
        return error
    return ServiceRefusesPresent(error.where, error.command, error.reason, error.detail)
