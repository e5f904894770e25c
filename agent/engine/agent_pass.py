"""A pass under the lock: make a root, obtain local chains, bind, deploy, look, and store when the next one is due."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from agent.deploy import deployer
from agent.deploy.deploy_context import Alternative, DeployContext, no_alternative
from agent.deploy.drift import find_damage
from agent.deploy.failures import SCOPE as FAILURES
from agent.deploy.observing import next_tries
from agent.deploy.opened_keys import keys_replaced
from agent.engine import conditions, dns_leftovers, window_leftovers
from agent.engine.bus import Bus
from agent.engine.clock_notes import clock_doubt, irrevocable_from
from agent.engine.closing import bound_chains, close_pass
from agent.engine.deferred_orders import looked_at_again
from agent.engine.deploying import Deploying
from agent.engine.orders import obtain_at_once
from agent.engine.pass_inputs import Declarations, PassInputs, declare, state_of, with_issuers
from agent.engine.recheck import Recheck, to_recheck
from agent.engine.source_context import SourceServices
from agent.engine.unjudged import judge_unjudged
from agent.errors.challenges import AnotherNode
from agent.errors.deploy import NotTakenUp, StartFailed
from agent.model.binding import Binding
from agent.model.events import Event, EventKind
from agent.model.finding import Finding
from agent.planning import (
    ListRevoked,
    MakeRoot,
    Obtain,
    Plan,
    PrepareKeys,
    RootStep,
    SignAgain,
    State,
    describe,
    plan,
)
from agent.planning.alternatives import Alternatives
from agent.probing.probe import Prober
from agent.registry.sources import SourceHandle
from agent.store import Store
from agent.store.restarts import KEY as RESTARTS
from agent.system.command import Runner

SEEN_ON_THE_WIRE = (
    "deploy.reload_failed",
    "deploy.not_confirmed",
    "deploy.wrong_chain",
    "deploy.wrong_generation",
    "deploy.probe_failed",
    "deploy.new_sessions_fail",
)
"""Codes of what was refused only after the switch."""
MOST_ROOT_STEPS = 6
"""Steps of roots' lives in one pass: a successor made, certified and signing, and those before it retired."""


class Pass:
    """One run of plan and perform with one set of inputs; the store is read again where it may have changed."""

    def __init__(
        self,
        store: Store,
        inputs: PassInputs,
        bus: Bus,
        runner: Runner,
        prober: Prober,
        clock: Callable[[], datetime],
        services: SourceServices,
        deferred: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        """`services`: for sources that are asked under the lock. `deferred`: as for `state_of`."""
        self._store = store
        self._inputs = inputs
        self._bus = bus
        self._clock = clock
        self._services = services
        self._deferred = deferred
        self._job = services.job
        self._alternatives: Alternative = no_alternative
        """By what the last plan was made from."""
        self._planned: tuple[tuple[object, ...], Plan] | None = None
        """The last plan, with what it was made from."""
        self.performed: list[str] = []
        self._deploying = Deploying(store, bus, runner, prober, clock, services.job, self.performed)

    @property
    def failures(self) -> tuple[Finding, ...]:
        """Return what has failed for a module or a service alone."""
        return tuple(self._deploying.failures.findings)

    @cached_property
    def declarations(self) -> Declarations:
        """Declarations of the modules in this pass."""
        return declare(self._inputs, self._store)

    @property
    def inputs(self) -> PassInputs:
        """Settings and plugins, with the roots as this pass has left them."""
        return self._inputs

    @property
    def all_modules_ok(self) -> bool:
        """Whether every module could be asked."""
        return all(record.problem is None for record in self.declarations.records)

    def plan(self, *, windows: bool = True) -> Plan:
        """Return what is due now. Where nothing was stored since the last plan of this pass, it is that one."""
        declared = self.declarations
        made_from = self._store.version, declared, windows
        if self._planned is None or self._planned[0] != made_from:
            self._planned = made_from, self._plan(declared, windows=windows)
        return self._planned[1]

    def _plan(self, declared: Declarations, *, windows: bool) -> Plan:
        configured = {record.name for record in declared.records if record.enabled}
        now = self._clock()
        state = self._state(now)
        self._alternatives = Alternatives(declared.needs, state.evidence, now)
        made = plan(now, declared.modules, declared.needs, state, configured=configured, windows=windows)
        return made.due_as_well(next_tries(self._store.observations.all(), now))

    @property
    def rungs(self) -> Collection[SourceHandle]:
        """The sources of the ladder."""
        return self._inputs.settings.rungs.values()

    def source(self, name: str) -> SourceHandle:
        """Return a rung by its name."""
        return self._inputs.settings.rungs[name]

    def recover(self, *, boot: bool = False) -> None:
        """Finish or undo what a crash has left."""
        if self._store.deployments.transactions():
            touched = deployer.recover(self._deploy_context(), boot=boot)
            if touched or not self._store.deployments.transactions():
                self.performed.append(f"recovered {', '.join(touched) or 'an interrupted transaction'}")

    def recheck_endpoints(self, how: Recheck) -> None:
        """Forget when endpoints were looked at, and when a failed start or reload is tried again: a port may be free now."""
        now = self._clock()
        chosen = to_recheck(self._store.endpoints.all(), how)
        with self._store.write():
            self._store.endpoints.update([replace(each, next_at=now) for each in chosen])
            for code in (StartFailed.code, NotTakenUp.code):
                self._store.deployments.try_again(code, now)

    def reset_backoff(self) -> None:
        """Let what was refused before anything had changed be tried at once: a person says that the cause is mended.

        What was rolled back is another matter: trying it again disturbs the service.
        """
        with self._store.write():
            self._store.remember(RESTARTS, "{}")
            self._store.deployments.reset_backoff(SEEN_ON_THE_WIRE, self._clock())
            dns_leftovers.reset_backoff(self._store)
            window_leftovers.reset_backoff(self._store)
            self._store.orders.try_again(AnotherNode.code, self._clock())

    def perform(self, *, windows: bool, boot: bool = False) -> None:
        """Do all that is due and needs no network."""
        if deployer.misses_footprints(self._store):
            deployer.note_missing_footprints(self._deploy_context())
        if boot:
            find_damage(self._deploy_context(boot=True), self._inputs.enabled.modules)
        made = self._advance_roots(windows=windows, boot=boot)
        self._sign(made)
        self._obtain_at_once([action for action in made.actions if isinstance(action, Obtain) and action.immediate])
        made = self.plan(windows=windows)
        self._keep_bindings(made)
        if self._deploy(made, boot=boot):
            self._bind_what_is_next(made, windows=windows, boot=boot)
        deployer.purge(self._deploy_context())
        if boot:
            return
        judge_unjudged(self._store, self._services, bound_chains(self._store, made), self._clock())
        self._prepare_keys(made)
        self._look(made, windows=windows)

    def close(self, made: Plan) -> None:
        """Store what the status and the next pass need."""
        close_pass(self._store, self._inputs, self.declarations, made, self._clock())
        conditions.forget_repairs(self._store, self._are_keys_replaced, self._clock())
        with self._store.write():
            self._store.conditions.replace(FAILURES, self._deploying.failures.findings, self._clock())

    def _are_keys_replaced(self, path: Path, since: datetime) -> bool:
        return keys_replaced(self._deploy_context(), path, since)

    # Root and chains

    def _advance_roots(self, *, windows: bool, boot: bool) -> Plan:
        """Do what is due of the roots' lives, each step after the one before it; return the plan afterwards.

        No root is made silently in place of one that can't be read. At boot there is one at most, where there is none.
        """
        from agent.engine.root_steps import RootSteps

        made = self.plan(windows=windows)
        if self._store.database.has_damaged("roots"):
            return made
        kinds = MakeRoot if boot else RootStep
        for _ in range(MOST_ROOT_STEPS):
            due = [action for action in made.actions if isinstance(action, kinds)]
            if not due:
                break
            enabled = self._inputs.enabled
            steps = RootSteps(self._store, self._bus, self._inputs.settings, enabled.host, self._clock(), self._job)
            self.performed += steps.perform(due[:1])
            self._tell_of_roots()
            made = self.plan(windows=windows)
        return made

    def _tell_of_roots(self) -> None:
        """Let the modules that it concerns know which roots are believed now, and what they have revoked."""
        inputs = with_issuers(self._inputs, self._store)
        if inputs is not self._inputs:
            self._inputs = inputs
            del self.declarations

    def _sign(self, made: Plan) -> None:
        """Have the roots sign what is due beside chains, and tell the modules that it concerns."""
        from agent.engine.root_signer import RootSigner

        due = [action for action in made.actions if isinstance(action, ListRevoked | SignAgain)]
        if not due:
            return
        root_signer = RootSigner(self._store, self._bus, self._clock(), self._job)
        self.performed += root_signer.perform(due)
        self._tell_of_roots()

    def _obtain_at_once(self, actions: Sequence[Obtain]) -> None:
        """Obtain chains that need no network."""
        orders = [(self.source(action.source), action) for action in actions]
        for delivery in obtain_at_once(self._store, self._bus, orders, self._services):
            if delivery.chain is not None:
                self._deploying.add_chain(delivery.chain)
                self.performed.append(describe(delivery.obtain))

    def _prepare_keys(self, made: Plan) -> None:
        """Make keys ahead, after what serves has been deployed."""
        from agent.engine.kept_keys import KeyKeeper

        for action in made.actions:
            if isinstance(action, PrepareKeys):
                KeyKeeper(self._services.writer, self._clock).prepare(action.request)
                self.performed.append(describe(action))

    def _keep_bindings(self, made: Plan) -> None:
        needs = self.declarations.needs
        with self._store.write():
            self._store.modules.put_needs(needs)
            changed = self._store.modules.put_bindings(made.bindings)
        self._bus.publish(self._store, *(self._binding_changed(binding) for binding in changed))

    def _binding_changed(self, binding: Binding) -> Event:
        text = f"{binding.module}/{binding.slot}: {binding.reason}"
        detail = {"slot": binding.slot, "chain": binding.chain}
        return Event(
            at=self._clock(),
            kind=EventKind.BINDING_CHANGED,
            text=text,
            job=self._job,
            module=binding.module,
            detail=detail,
        )

    # Deploying

    def _bind_what_is_next(self, before: Plan, *, windows: bool, boot: bool) -> None:
        """Give the modules whose services have refused a chain the next one."""
        made = self.plan(windows=windows)
        chains = {each.key: each.chain for each in before.bindings}
        changed = {each.module for each in made.bindings if each.chain != chains.get(each.key)}
        if changed:
            self._keep_bindings(made)
            self._deploy(made, boot=boot, only=changed)

    def _deploy(self, made: Plan, *, boot: bool = False, only: set[str] | None = None) -> bool:
        context = self._deploy_context(boot=boot)
        return self._deploying.deploy(context, made, alternative=self._alternatives, only=only)

    def _look(self, made: Plan, *, windows: bool) -> None:
        """Look at the services of what is due; what has changed there though nothing was deployed is deployed again."""
        due = self._deploying.due_looks(self._deploy_context(), made)
        changed = self._deploying.find_changed(self._deploy_context(), due)
        if changed:
            self._deploy(self.plan(windows=windows), only=changed)
        self._deploying.look(self._deploy_context(), due, self._inputs.settings.probe.observe_seconds)

    def _deploy_context(self, *, boot: bool = False) -> DeployContext:
        return self._deploying.context(self._inputs, self.declarations.needs, boot=boot)

    def _state(self, now: datetime) -> State:
        doubt = clock_doubt(self._clock, self.rungs, now)
        known = state_of(self._inputs, self._store, now, self._deferred, doubt)
        orders = {key: looked_at_again(each, now) for key, each in known.evidence.orders.items()}
        evidence = replace(known.evidence, orders=orders)
        return replace(known, evidence=evidence, irrevocable_from=irrevocable_from(self._clock, now))
