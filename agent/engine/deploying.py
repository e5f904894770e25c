"""Deployments of a pass, and its looks at what is in service: drift, the next start, contradictions, what services tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from agent.deploy import deployer, stuck
from agent.deploy.deploy_context import Alternative, DeployContext, WaitPolicy
from agent.deploy.diagnosing import diagnose_services
from agent.deploy.drift import find_damage, find_drift
from agent.deploy.failures import ModuleFailures
from agent.deploy.former_instances import check_former_instances
from agent.deploy.leaving_out import leave_out_refused
from agent.deploy.next_start import check_next_start
from agent.deploy.observing import observe_services
from agent.deploy.reloadable import check_reloadable
from agent.engine.bus import Bus
from agent.engine.host import usable_addresses, usable_by_interface
from agent.engine.looks import modules_to_look_at, repair_modes
from agent.engine.pass_inputs import PassInputs
from agent.model.need import Need
from agent.pki.chain import Chain
from agent.planning import Action, Deploy, Plan, Retire, Settle, describe
from agent.probing.probe import Prober
from agent.store import Store
from agent.system.command import CommandResult, Runner


@dataclass(frozen=True)
class DueLooks:
    """Modules whose services are looked at in a pass."""

    looked_at: Sequence[str]
    """Those in service."""
    waited: Sequence[str]
    """Those that wait for their services."""
    deployed: Sequence[str]

    @property
    def everywhere(self) -> set[str]:
        """All of them."""
        return {*self.looked_at, *self.waited, *self.deployed}


class Deploying:
    """What one pass does to services."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        runner: Runner,
        prober: Prober,
        clock: Callable[[], datetime],
        job: str,
        performed: list[str],
    ) -> None:
        """`performed`: gets a line for people for everything that is done."""
        self._store = store
        self._bus = bus
        self._runner = runner
        self._prober = prober
        self._clock = clock
        self._job = job
        self._performed = performed
        self._chains: dict[str, Chain] = {}
        """Chains of this pass that need not be opened again to be deployed."""
        self.failures = ModuleFailures()
        self._tested: Mapping[str, CommandResult] = {}
        """What the tests of services have said that were to be started."""

    @cached_property
    def _addresses(self) -> tuple[str, ...]:
        return usable_addresses()

    @cached_property
    def _interfaces(self) -> Mapping[str, tuple[str, ...]]:
        return usable_by_interface()

    def add_chain(self, chain: Chain) -> None:
        """Have a chain that was made in this pass at hand."""
        self._chains[chain.id] = chain

    def context(self, inputs: PassInputs, needs: Iterable[Need], *, boot: bool = False) -> DeployContext:
        """Return what deployments and looks go by, as it is in the store now."""
        settings = inputs.settings
        return DeployContext(
            enabled=inputs.enabled,
            store=self._store,
            runner=self._runner,
            prober=self._prober,
            clock=self._clock,
            publish=self._bus.publish,
            records={record.id: record for record in self._store.chains.records()},
            needs={need.key: need for need in needs},
            wait_policy=WaitPolicy(
                timedelta(seconds=settings.probe.interval), settings.probe.handshakes, settings.probe.timeout
            ),
            keep=settings.deploy.keep,
            addresses=self._addresses,
            interfaces=self._interfaces,
            job=self._job,
            boot=boot,
            failures=self.failures,
            _chains=self._chains,
        )

    def deploy(
        self, context: DeployContext, made: Plan, *, alternative: Alternative, only: set[str] | None = None
    ) -> bool:
        """Deploy, settle and retire. Return whether anything was deployed. `only`: the modules; None: all."""
        held = stuck.held(context)
        chosen = [action for action in made.actions if only is None or getattr(action, "module", None) in only]
        chosen = [action for action in chosen if getattr(action, "module", None) not in held]
        deploys = [action for action in chosen if isinstance(action, Deploy) and _is_ready(context, action)]
        settles = [action for action in chosen if isinstance(action, Settle) and not context.boot]
        retired = [action for action in chosen if isinstance(action, Retire)]
        self._note([*deploys, *retired])
        if deploys:
            deployer.deploy(replace(context, alternative=alternative), deploys)
        if settles or deploys or context.boot:
            self._leave_out(context, [action.module for action in settles])
        if settles:
            deployer.settle(context, [action.module for action in settles])
        if retired:
            deployer.retire(context, [action.module for action in retired])
        return bool(deploys)

    def _note(self, actions: Iterable[Action]) -> None:
        self._performed += [describe(action) for action in actions]

    def _leave_out(self, context: DeployContext, waited: Sequence[str]) -> None:
        """Leave out what services that don't run refuse of what is in place for them. At boot, none of them runs."""
        tests = leave_out_refused(context, waited)
        self._tested = tests.results
        self._performed += [f"left out what its service refuses of {module}" for module in tests.left_out]

    def due_looks(self, context: DeployContext, made: Plan) -> DueLooks:
        """Return the modules to look at after what is due was deployed."""
        deployed = [action.module for action in made.actions if isinstance(action, Deploy)]
        looked_at = modules_to_look_at(self._store, made, deployed, context.enabled.modules, self._clock())
        return DueLooks(looked_at, [action.module for action in made.actions if isinstance(action, Settle)], deployed)

    def find_changed(self, context: DeployContext, due: DueLooks) -> set[str]:
        """Return the modules whose endpoints or files changed though nothing was deployed; repair modes of files."""
        changed = find_drift(context, due.looked_at)
        changed += find_damage(context, due.waited)
        repair_modes(context, due.looked_at)
        return set(changed)

    def look(self, context: DeployContext, due: DueLooks, observe_seconds: float) -> None:
        """Ask services what they would start with, whether they can be reloaded, and how they are."""
        check_next_start(context, due.looked_at, due.waited, due.deployed, self._tested)
        diagnose_services(context, due.everywhere)
        check_reloadable(context, {*due.looked_at, *due.waited})
        observe_services(context, observe_seconds)
        check_former_instances(context)


def _is_ready(context: DeployContext, action: Deploy) -> bool:
    """A module without any chain yet is deployed when it has its first one, or when it needs none."""
    return bool(action.chains) or not any(need.module == action.module for need in context.needs.values())
