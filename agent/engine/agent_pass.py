"""A pass under the lock: make a root, obtain local chains, bind, deploy, look, and store when the next one is due."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from agent.contract.context import Http01
from agent.contract.source import Source
from agent.deploy import deployer, stuck
from agent.deploy.deploy_context import Alternative, DeployContext, WaitPolicy, no_alternative
from agent.deploy.diagnosing import diagnose_services
from agent.deploy.drift import find_damage, find_drift
from agent.deploy.failures import SCOPE as FAILURES
from agent.deploy.failures import ModuleFailures
from agent.deploy.former_instances import check_former_instances
from agent.deploy.leaving_out import leave_out_refused
from agent.deploy.next_start import check_next_start
from agent.deploy.observing import next_tries, observe_services
from agent.deploy.opened_keys import keys_replaced
from agent.deploy.reloadable import check_reloadable
from agent.engine import conditions
from agent.engine.bus import Bus
from agent.engine.clock_notes import clock_doubt, irrevocable_from
from agent.engine.closing import bound_chains, close_pass
from agent.engine.host import usable_addresses, usable_by_interface
from agent.engine.looks import modules_to_look_at, repair_modes
from agent.engine.orders import obtain_at_once
from agent.engine.pass_inputs import Declarations, PassInputs, declare, state_of, with_issuers
from agent.engine.recheck import Recheck, to_recheck
from agent.engine.source_context import SourceServices
from agent.engine.source_findings import named_files
from agent.engine.unjudged import judge_unjudged
from agent.errors.deploy import NotTakenUp, StartFailed
from agent.model.binding import Binding
from agent.model.events import Event, EventKind
from agent.model.finding import Finding
from agent.pki.chain import Chain
from agent.planning import (
    Action,
    Deploy,
    ListRevoked,
    MakeRoot,
    Obtain,
    Plan,
    PrepareKeys,
    Retire,
    RootStep,
    Settle,
    SignAgain,
    State,
    describe,
    plan,
)
from agent.planning.alternatives import Alternatives
from agent.probing.probe import Prober
from agent.store import Store
from agent.store.restarts import KEY as RESTARTS
from agent.system.command import CommandResult, Runner

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
        self._runner = runner
        self._prober = prober
        self._clock = clock
        self._services = services
        self._deferred = deferred
        self._job = services.job
        self._made: dict[str, Chain] = {}
        """Chains of this pass that need not be opened again to be deployed."""
        self._alternatives: Alternative = no_alternative
        """By what the last plan was made from."""
        self._planned: tuple[tuple[object, ...], Plan] | None = None
        """The last plan, with what it was made from."""
        self.performed: list[str] = []
        self._failures = ModuleFailures()
        self._tested: Mapping[str, CommandResult] = {}
        """What the tests of services have said that were to be started."""

    @property
    def failures(self) -> tuple[Finding, ...]:
        """Return what has failed for a module or a service alone."""
        return tuple(self._failures.findings)

    @cached_property
    def declarations(self) -> Declarations:
        """Declarations of the modules in this pass."""
        return declare(self._inputs, self._store)

    @property
    def sources(self) -> list[Path]:
        """Files and directories that this pass read, beside those that every pass does."""
        rooted = self._inputs.enabled.layout.rooted
        named = named_files(self._inputs.settings.rungs.values(), rooted)
        return [*self._inputs.enabled.sources(), *self._inputs.settings.secret_files, *named]

    @property
    def probe_interval(self) -> float:
        """Seconds between two looks at an endpoint."""
        return float(self._inputs.settings.probe.interval)

    @property
    def http01(self) -> Http01:
        """Where answers to HTTP-01 challenges go in this pass."""
        return self._inputs.enabled.http01

    @property
    def resolvers(self) -> tuple[tuple[str, int], ...]:
        """DNS servers to ask for TLSA records; none: those of the system."""
        return tuple((each.host, each.port) for each in self._inputs.settings.dane.resolvers)

    @property
    def asks_private_addresses(self) -> bool:
        """Whether uploads may have addresses of private networks asked for lists of revoked certificates."""
        return self._inputs.settings.fetch.private

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

    @cached_property
    def _addresses(self) -> tuple[str, ...]:
        return usable_addresses()

    @cached_property
    def _interfaces(self) -> Mapping[str, tuple[str, ...]]:
        return usable_by_interface()

    @property
    def rungs(self) -> Collection[Source]:
        """The sources of the ladder."""
        return self._inputs.settings.rungs.values()

    def source(self, name: str) -> Source:
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
        deployed = [action.module for action in made.actions if isinstance(action, Deploy)]
        looked_at = modules_to_look_at(self._store, made, deployed, self._inputs.enabled.modules, self._clock())
        waited = [action.module for action in made.actions if isinstance(action, Settle)]
        wrong = find_drift(self._deploy_context(), looked_at)
        wrong += find_damage(self._deploy_context(), waited)
        repair_modes(self._deploy_context(), looked_at)
        if wrong:
            again = self.plan(windows=windows)
            self._deploy(again, only=set(wrong))
        context = self._deploy_context()
        check_next_start(context, looked_at, waited, deployed, self._tested)
        diagnose_services(context, {*looked_at, *waited, *deployed})
        check_reloadable(context, {*looked_at, *waited})
        observe_services(context, self._inputs.settings.probe.observe_seconds)
        check_former_instances(context)

    def close(self, made: Plan) -> None:
        """Store what the status and the next pass need."""
        close_pass(self._store, self._inputs, self.declarations, made, self._clock())
        conditions.forget_repairs(self._store, self._are_keys_replaced, self._clock())
        with self._store.write():
            self._store.conditions.replace(FAILURES, self._failures.findings, self._clock())

    def _are_keys_replaced(self, path: Path, since: datetime) -> bool:
        return keys_replaced(self._deploy_context(), path, since)

    def note_observers(self) -> None:
        """Store which observers raised: the end of the pass is told to them, too."""
        found = list(conditions.of_observers(self._bus, self._store.conditions.of("observers")))
        with self._store.write():
            self._store.conditions.replace("observers", found, self._clock())

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
                self._made[delivery.chain.id] = delivery.chain
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
        return Event(self._clock(), EventKind.BINDING_CHANGED, text, self._job, binding.module, detail)

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
        """Deploy, settle and retire. Return whether anything was deployed."""
        held = stuck.held(self._deploy_context(boot=boot))
        chosen = [action for action in made.actions if only is None or getattr(action, "module", None) in only]
        chosen = [action for action in chosen if getattr(action, "module", None) not in held]
        deploys = [action for action in chosen if isinstance(action, Deploy) and self._checks_due(action)]
        settles = [action for action in chosen if isinstance(action, Settle) and not boot]
        retired = [action for action in chosen if isinstance(action, Retire)]
        self._note([*deploys, *retired])
        deploy_context = self._deploy_context(boot=boot)
        if deploys:
            deployer.deploy(replace(deploy_context, alternative=self._alternatives), deploys)
        if settles or deploys or boot:
            self._leave_out(deploy_context, [action.module for action in settles])
        if settles:
            deployer.settle(deploy_context, [action.module for action in settles])
        if retired:
            deployer.retire(deploy_context, [action.module for action in retired])
        return bool(deploys)

    def _leave_out(self, context: DeployContext, waited: Sequence[str]) -> None:
        """Leave out what services that don't run refuse of what is in place for them. At boot, none of them runs."""
        tests = leave_out_refused(context, waited)
        self._tested = tests.results
        self.performed += [f"left out what its service refuses of {module}" for module in tests.left_out]

    def _checks_due(self, action: Deploy) -> bool:
        """A module without any chain yet is deployed when it has its first one, or when it needs none."""
        return bool(action.chains) or not any(need.module == action.module for need in self.declarations.needs)

    def _note(self, actions: Iterable[Action]) -> None:
        self.performed += [describe(action) for action in actions]

    def _deploy_context(self, *, boot: bool = False) -> DeployContext:
        settings = self._inputs.settings
        records = {record.id: record for record in self._store.chains.records()}
        return DeployContext(
            enabled=self._inputs.enabled,
            store=self._store,
            runner=self._runner,
            prober=self._prober,
            clock=self._clock,
            publish=self._bus.publish,
            records=records,
            needs={need.key: need for need in self.declarations.needs},
            wait_policy=WaitPolicy(
                timedelta(seconds=settings.probe.interval), settings.probe.handshakes, settings.probe.timeout
            ),
            keep=settings.deploy.keep,
            addresses=self._addresses,
            interfaces=self._interfaces,
            job=self._job,
            boot=boot,
            failures=self._failures,
            _chains=self._made,
        )

    def _state(self, now: datetime) -> State:
        doubt = clock_doubt(self._clock, self.rungs, now)
        known = state_of(self._inputs, self._store, now, self._deferred, doubt)
        return replace(known, irrevocable_from=irrevocable_from(self._clock, now))

    def _tell(self, kind: EventKind, text: str, module: str = "", **detail: object) -> None:
        self._bus.publish(self._store, Event(self._clock(), kind, text, self._job, module, detail))
