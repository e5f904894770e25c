"""One group of modules and services that hang together: they switch as one, or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.deploy.deploy_context import Tools, back_off
from agent.deploy.differences import Toggle, Wanted, with_last_configuration
from agent.deploy.isolation import Isolation
from agent.deploy.record import Move, Record
from agent.deploy.retention import sweep, sweep_entries
from agent.deploy.switching import Failure, Switching, store_phase
from agent.deploy.trial import Staged, Trial, changed
from agent.deploy.units import Unit, units_of
from agent.errors import AgentError
from agent.errors.deploy import CheckRefused, ServiceRefusesPresent
from agent.model.deployment import Deployment, Outcome, Refusal, RefusedKind, Step
from agent.model.events import Kind
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

    def __init__(self, tools: Tools, group: Group) -> None:
        self._tools = tools
        self._deploys = dict(group.deploys)
        self._repair = frozenset(name for name, deploy in self._deploys.items() if deploy.repair)
        self._units: list[Unit] = units_of(tools.fleet, tuple(self._deploys), group.services)
        self._refused: dict[Toggle, AgentError] = {}
        self._asked: set[str] = set()
        """Subjects of every difference, those too that are not tried now."""
        self._in_place: Switching | None = None
        """Renames that a service's test needed, to be taken over by the switch or undone."""
        now = tools.clock()
        self._held = [refusal for refusal in tools.store.deployments.refusals() if refusal.holds(now)]

    def run(self) -> None:
        """Deploy what is due. What goes wrong is stored, told and tried again with back-off; nothing is raised for it."""
        for _ in range(ROUNDS):
            wanted = [want for module in self._deploys if (want := self._want(module))]
            failure = self._attempt(wanted)
            if failure is None or not self._step_down(failure):
                return

    # Proposal

    def _want(self, module: str) -> Wanted | None:
        """Return what a module is to have; with its last configuration when the new one can't be rendered."""
        tools = self._tools
        live = tools.live(module)
        chains = tools.facts(self._deploys[module].chains)

        def render(some: Mapping[str, object]) -> Rendering:
            return tools.fleet.render(module, {slot: chains[slot] for slot in some})

        try:
            return Wanted(module, chains, render(chains), live, render)
        except AgentError as error:
            self._refuse(Toggle(module, "", RefusedKind.CONFIGURATION, self._deploys[module].inputs), error)
            if live is None:
                self._store_refused(module)
                return None
            last = with_last_configuration(live, chains)
            return Wanted(module, chains, last, live, lambda _some: last)

    # Attempt

    def _attempt(self, wanted: Sequence[Wanted]) -> Failure | None:
        """Stage, test and switch once. Return why it could not stay."""
        differences = changed(wanted)
        self._asked |= {toggle.subject for toggle in differences}
        toggles = [toggle for toggle in differences if self._may_be_tried(toggle)]
        trial = Trial(self._tools, wanted, self._units, self._repair)
        staged = self._find_acceptable(trial, toggles)
        if staged is not None and self._is_all_refused(staged, wanted):
            trial.discard(staged)
            staged = None
        if staged is None or not (staged.generations or staged.entries):
            self._put_back()
            self._store_nothing_to_do(wanted, refused=staged is None)
            if staged is not None and self._all_wait(wanted):
                Switching(self._tools, self._record(staged, wanted, [])).settle()
            return None
        record = self._record(staged, wanted, [each for each in toggles if each not in self._refused])
        trial.flush()
        self._store_staged(staged, record)
        switching = Switching(self._tools, record)
        failure = self._switch(trial, staged, switching)
        if failure is None:
            self._settle_refusals()
        return failure

    def _is_all_refused(self, staged: Staged, wanted: Sequence[Wanted]) -> bool:
        """Whether only entries without any module would switch: that would pass for waiting, and hide why."""
        return bool(self._refused) and not staged.generations and all(each.live is None for each in wanted)

    def _switch(self, trial: Trial, staged: Staged, switching: Switching) -> Failure | None:
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

    def _find_acceptable(self, trial: Trial, toggles: Sequence[Toggle]) -> Staged | None:
        """Stage the most that the services accept. None: they accept nothing, or not even what is in service."""
        staged, error = self._try(trial, frozenset(toggles))
        if error is None:
            return staged
        present = self._try_and_discard(trial, frozenset())
        if present is None:
            return self._isolate(trial, toggles, error)
        return self._find_with_last_entries(trial, toggles, present)

    def _find_with_last_entries(self, trial: Trial, toggles: Sequence[Toggle], error: AgentError) -> Staged | None:
        """Nothing is known against the differences: try them with the last good entries, which `error` is about."""
        trial.keep_entries = True
        present = self._try_and_discard(trial, frozenset())
        if present is not None and any(self._tools.live(module) for module in self._deploys):
            error = _present_refused(present)
        for module, deploy in self._deploys.items():
            self._refuse(Toggle(module, "", RefusedKind.CONFIGURATION, deploy.inputs), error)
        return None if present is not None else self._find_acceptable(trial, toggles)

    def _isolate(self, trial: Trial, toggles: Sequence[Toggle], error: AgentError) -> Staged | None:
        isolation = Isolation(lambda accepted: self._try_and_discard(trial, accepted))
        isolation.run([toggle for toggle in toggles if toggle not in self._refused], error)
        for toggle, why in isolation.refused.items():
            self._refuse(toggle, why)
        staged, again = self._try(trial, isolation.accepted)
        if again is not None:
            self._refuse_all(isolation.accepted, again)
            return None
        return staged

    def _try_and_discard(self, trial: Trial, accepted: frozenset[Toggle]) -> AgentError | None:
        staged, error = self._try(trial, accepted)
        self._put_back()
        if staged is not None:
            trial.discard(staged)
        return error

    def _try(self, trial: Trial, accepted: frozenset[Toggle]) -> tuple[Staged | None, AgentError | None]:
        """Stage a candidate and test it. What the preflight finds is refused by itself and left out."""
        while True:
            accepted = frozenset(toggle for toggle in accepted if toggle not in self._refused)
            try:
                staged = trial.stage(accepted)
            except AgentError as error:
                return None, error
            if not staged.culprits:
                break
            trial.discard(staged)
            for toggle, why in staged.culprits.items():
                self._refuse(toggle, why)
        refusal = staged.refusal or self._check_in_place(trial, staged, accepted)
        if refusal is not None:
            trial.discard(staged)
            return None, refusal
        return staged, None

    def _check_in_place(self, trial: Trial, staged: Staged, accepted: frozenset[Toggle]) -> AgentError | None:
        """Where the administrator's main file includes ours: rename, test, and rename back when refused.

        The transaction stays stored as long as the renames are not a switch's: what crashes in between is undone.
        """
        if not any(unit.checks_in_place for unit in self._units):
            return None
        record = self._record(staged, [], list(accepted))
        trial.flush()
        self._store_staged(staged, record)
        self._in_place = Switching(self._tools, record)
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

    def _record(self, staged: Staged, wanted: Sequence[Wanted], toggles: Sequence[Toggle]) -> Record:
        modules = {}
        for module in {*staged.generations, *(each.module for each in wanted)}:
            live = self._tools.live(module)
            old = live.number if live else None
            new = staged.generations[module].number if module in staged.generations else old
            modules[module] = Move(old, new)
        entries = {
            service: Move(self._tools.store.deployments.entry(service), generation.number)
            for service, generation in staged.entries.items()
        }
        return Record(
            id=secrets.token_hex(8),
            job=self._tools.job,
            modules=modules,
            entries=entries,
            inputs={module: self._deploys[module].inputs for module in modules},
            placements=tuple(staged.placements),
            toggles=tuple(toggles),
            absent=staged.absent,
        )

    def _store_staged(self, staged: Staged, record: Record) -> None:
        now = self._tools.clock()
        deployments = self._tools.store.deployments
        with self._tools.store.write():
            for generation in (*staged.generations.values(), *staged.entries.values()):
                deployments.put_generation(generation, staged.texts, now)
            if self._in_place is not None:
                deployments.end_transaction(self._in_place.record.id)
                self._in_place = None
            store_phase(self._tools, record, Step.STAGED)
        self._tools.tell_step(Step.STAGED, record.moved)

    def _store_nothing_to_do(self, wanted: Sequence[Wanted], *, refused: bool) -> None:
        """Note that this was tried: the generation in service is what it ought to be, or everything was refused."""
        for each in wanted:
            if refused:
                self._store_refused(each.module)
            else:
                self._store_same(each.module)
        self._settle_refusals()

    def _all_wait(self, wanted: Sequence[Wanted]) -> bool:
        present = [self._tools.deployment(each.module) for each in wanted]
        return bool(present) and all(each is not None and each.outcome is Outcome.WAITING for each in present)

    def _store_same(self, module: str) -> None:
        present = self._tools.deployment(module)
        mine = [error for toggle, error in self._refused.items() if toggle.module == module]
        if present is None or mine:
            self._store_refused(module)
            return
        outcome = Outcome.WAITING if present.outcome is Outcome.WAITING else Outcome.LIVE
        kept = replace(present, outcome=outcome, inputs=self._deploys[module].inputs, attempts=0, retry_at=None)
        if outcome is Outcome.LIVE:
            kept = replace(kept, problem=None, step="")
        with self._tools.store.write():
            self._tools.store.deployments.put(kept)

    def _store_refused(self, module: str) -> None:
        present = self._tools.deployment(module)
        error = next((error for toggle, error in self._refused.items() if toggle.module == module), None)
        attempts = (present.attempts if present else 0) + 1
        broken = module in self._repair
        now = self._tools.clock()
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
        with self._tools.store.write():
            self._tools.store.deployments.put(row)
        self._sweep(module)

    def _sweep(self, module: str) -> None:
        sweep(self._tools, module)
        for service in self._tools.fleet.modules[module].services:
            sweep_entries(self._tools, service)

    # Refusals

    def _refuse(self, toggle: Toggle, error: AgentError) -> None:
        """Remember a pair that was refused, with back-off."""
        known = next((each for each in self._tools.store.deployments.refusals() if _same(each, toggle)), None)
        attempts = (known.attempts if known else 0) + (0 if toggle in self._refused else 1)
        retry_at = self._tools.clock() + back_off(attempts)
        problem = replace(error.problem, retry_at=retry_at)
        self._refused[toggle] = error
        refusal = Refusal(toggle.module, toggle.slot, toggle.kind, toggle.subject, problem, attempts, retry_at)
        with self._tools.store.write():
            self._tools.store.deployments.refuse(refusal)
        self._tools.tell(Kind.REFUSED, problem.cause, toggle.module, slot=toggle.slot, refused=str(toggle.kind))

    def _refuse_all(self, toggles: Sequence[Toggle] | frozenset[Toggle], error: AgentError) -> None:
        for toggle in toggles:
            if toggle not in self._refused:
                self._refuse(toggle, error)

    def _settle_refusals(self) -> None:
        """Forget refusals of what nobody asks for any more."""
        with self._tools.store.write():
            for module, deploy in self._deploys.items():
                mine = [toggle.subject for toggle in self._refused if toggle.module == module]
                self._tools.store.deployments.drop_stale_refusals(
                    module, [*deploy.chains.values(), *deploy.bound.values(), *mine, *self._asked]
                )

    # After a failure on the wire

    def _blame(self, failure: Failure, record: Record) -> Failure:
        """Refuse what the failing endpoints changed; without a clue, everything that changed."""
        blamed = [toggle for toggle in record.toggles if (toggle.module, toggle.slot) in failure.slots]
        chains = [toggle for toggle in blamed if toggle.kind is RefusedKind.CHAIN]
        for toggle in chains or blamed or record.toggles:
            error = failure.slots.get((toggle.module, toggle.slot), failure.error)
            self._refuse(toggle, error)
        return failure

    def _step_down(self, failure: Failure) -> bool:
        """Prepare another round without what was refused. False: there is nothing left to try."""
        for toggle in self._refused:
            if toggle.kind is RefusedKind.CHAIN:
                self._choose_another(toggle.module, toggle.slot)
        wanted = [want for module in self._deploys if (want := self._want(module))]
        return any(self._may_be_tried(toggle) for toggle in changed(wanted))

    def _may_be_tried(self, toggle: Toggle) -> bool:
        return toggle not in self._refused and not any(_same(refusal, toggle) for refusal in self._held)

    def _choose_another(self, module: str, slot: str) -> None:
        """Keep the chain in service while it is good, else take the next one down the ladder."""
        deploy = self._deploys[module]
        live = self._tools.live(module)
        chain = live.chains.get(slot) if live else None
        refused = frozenset(each.subject for each in self._refused if (each.module, each.slot) == (module, slot))
        record = self._tools.records.get(chain or "")
        if chain in refused or record is None or not record.good(self._tools.clock()):
            chain = self._tools.alternative(module, slot, refused)
        if chain is not None:
            self._deploys[module] = replace(deploy, chains={**deploy.chains, slot: chain})

    def _has_alternatives(self, failure: Failure, record: Record) -> bool:
        return any(
            self._tools.alternative(toggle.module, toggle.slot, frozenset({toggle.subject}))
            for toggle in record.toggles
            if toggle.kind is RefusedKind.CHAIN and (not failure.slots or (toggle.module, toggle.slot) in failure.slots)
        )


def _same(refusal: Refusal, toggle: Toggle) -> bool:
    return (refusal.module, refusal.slot, refusal.kind, refusal.subject) == (
        toggle.module,
        toggle.slot,
        toggle.kind,
        toggle.subject,
    )


def _present_refused(error: AgentError) -> AgentError:
    if not isinstance(error, CheckRefused):
        return error
    problem = error.problem
    command = problem.cause.split('"')[1]
    reason = problem.cause.partition(": ")[2].rstrip(".")
    return ServiceRefusesPresent(problem.where, command, reason, problem.detail)
