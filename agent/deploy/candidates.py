"""Candidates of one transaction: as much of what is wanted as the services' own tests accept."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from agent.deploy import retention
from agent.deploy.deploy_context import DeployContext
from agent.deploy.differences import Difference, Target
from agent.deploy.footprints import former_units
from agent.deploy.isolation import Isolation, explained, is_same_failure
from agent.deploy.record import Move, TransactionRecord
from agent.deploy.refusals import Refusals
from agent.deploy.switching import Switching, store_phase
from agent.deploy.trial import StagedCandidate, Trial
from agent.deploy.units import EmptiedUnit, EntryUnit, Unit
from agent.errors import AgentError
from agent.errors.damage import NotTestedInTime
from agent.errors.deploy import CheckRefused, ServiceRefusesPresent
from agent.model.deployment import RefusedKind, Step
from agent.planning import Deploy
from agent.system.command import Command


class RepairFailed(Exception):
    """What is in service of one module of several can't be made again: the others are tried without it."""

    def __init__(self, module: str, error: AgentError) -> None:
        super().__init__(module)
        self.module = module
        self.error = error


class Candidates:
    """Search for a candidate that the services accept, and what is stored of it before the switch."""

    def __init__(
        self,
        context: DeployContext,
        deploys: Mapping[str, Deploy],
        units: Sequence[Unit],
        left_services: Sequence[str],
        refusals: Refusals,
    ) -> None:
        """`deploys` may change between attempts. `left_services`: that the modules leave."""
        self._context = context
        self._deploys = deploys
        self._units = units
        self._left_services = tuple(left_services)
        self._refusals = refusals
        self._in_place: Switching | None = None
        """Renames that a service's test needed; the switch takes them over, or they are undone."""
        self.has_kept = False
        """Whether the first refused candidate of this transaction was kept for people to look at."""

    def drop_refused(self) -> None:
        """Remove what the last try has left for people to look at."""
        places = [*map(self._context.module_dir, self._deploys)]
        places += [self._context.service_dir(unit.name) for unit in self._units if isinstance(unit, EntryUnit)]
        with self._context.store.write():
            for generation_dir in places:
                retention.drop_refused(self._context, generation_dir)

    def find_acceptable(self, trial: Trial, differences: Sequence[Difference]) -> StagedCandidate | None:
        """Stage as much as the services accept. None: they accept nothing, or refuse even what is in service."""
        staged, error = self.tried(trial, frozenset(differences))
        if error is None:
            return staged
        present = self.try_and_discard(trial, frozenset())
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
        present = self.try_and_discard(trial, frozenset())
        error = without
        if present is not None:
            error = _present_refused(whole, present) if self._is_anything_live() else whole
        for module, deploy in self._deploys.items():
            self._refusals.add(Difference(module, "", RefusedKind.CONFIGURATION, deploy.inputs), error)
        # With their last entries, services that modules leave would go on including what is about to go.
        return None if present is not None or self._left_services else self.find_acceptable(trial, differences)

    def _is_anything_live(self) -> bool:
        return any(self._context.live(module) for unit in self._units for module in unit.modules)

    def _isolate(self, trial: Trial, differences: Sequence[Difference], error: AgentError) -> StagedCandidate | None:
        isolation = Isolation(lambda accepted: self.try_and_discard(trial, accepted))
        isolation.run([difference for difference in differences if difference not in self._refusals.errors], error)
        for difference, why in explained(isolation.refused, error).items():
            self._refusals.add(difference, why)
        staged, again = self.tried(trial, isolation.accepted)
        if again is not None:
            self._refusals.add_all(isolation.accepted, again)
            return None
        return staged

    def try_and_discard(self, trial: Trial, accepted: frozenset[Difference]) -> AgentError | None:
        """Stage a candidate, test it and remove it; return the refusal."""
        staged, error = self.tried(trial, accepted)
        self.undo_in_place()
        if staged is not None:
            trial.discard(staged)
        return error

    def tried(self, trial: Trial, accepted: frozenset[Difference]) -> tuple[StagedCandidate | None, AgentError | None]:
        """Stage a candidate and test it. Differences that the preflight refuses are left out."""
        while True:
            accepted = frozenset(difference for difference in accepted if difference not in self._refusals.errors)
            try:
                staged = trial.stage(accepted)
            except NotTestedInTime:
                raise
            except AgentError as error:
                if trial.unrepaired and len(self._deploys) > 1:
                    raise RepairFailed(trial.unrepaired, error) from error
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
        in_place = any(unit.checks_in_place for unit in (*self._units, *self._former(staged)))
        if not in_place and not self._own_checks():
            return None
        record = self.record_of(staged, [], list(accepted))
        trial.flush()
        self.store(staged, record)
        self._in_place = Switching(self._context, record)
        error = self._in_place.rename() or trial.check_in_place(staged) or self._refusal_of_former(staged)
        error = error or self._refusal_of_own()
        if error is not None:
            self._keep_first_refused(trial, staged)
            self.undo_in_place()
        return error

    def _keep_first_refused(self, trial: Trial, staged: StagedCandidate) -> None:
        """Keep what nobody has taken apart yet; candidates of the search for the cause are of no use to people."""
        if not self.has_kept:
            trial.keep_refused(staged)
            self.has_kept = True

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

    def _own_checks(self) -> Mapping[str, Command]:
        """Return the tests of modules with a service of their own that are taken out, and whose files the service may name."""
        return {}

    def _refusal_of_own(self) -> AgentError | None:
        for module, command in self._own_checks().items():
            result = self._context.runner.run(command)
            if not (result.ok or result.missing):
                return CheckRefused(module, command.shown, result.reason, result.account)
        return None

    def undo_in_place(self) -> None:
        """Undo the renames that a test needed."""
        if self._in_place is not None:
            self._in_place.abandon()
            self._in_place = None

    def record_of(
        self, staged: StagedCandidate, targets: Sequence[Target], differences: Sequence[Difference]
    ) -> TransactionRecord:
        """Return what the switch to a candidate is to do."""
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

    def store(self, staged: StagedCandidate, record: TransactionRecord) -> None:
        """Store a staged candidate and its transaction, before anything is switched."""
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


def _present_refused(whole: AgentError, present: AgentError) -> AgentError:
    """Return the first failure, and that what is in service is refused too: as the cause, where it is the same one."""
    if not isinstance(whole, CheckRefused) or not isinstance(present, CheckRefused):
        return whole
    if is_same_failure(whole, present):
        return ServiceRefusesPresent(whole.where, whole.program, whole.reason, whole.detail)
    both = f"{whole.detail}\n\nEven what is in service is refused:\n{present.detail}"
    return CheckRefused(whole.where, whole.program, whole.reason, both)
