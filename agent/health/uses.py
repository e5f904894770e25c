"""The second axis of a chain's status: what became of it in each module."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from agent.errors.problem import Problem
from agent.health import problems
from agent.health.snapshot import Snapshot
from agent.health.states import ModuleState, Status
from agent.model.binding import Binding
from agent.model.deployment import Deployment, EndpointRecord, Outcome, Refusal, RefusedKind
from agent.store.modules import ModuleRecord

STATES = {
    Outcome.LIVE: ModuleState.OK,
    Outcome.UNSEEN: ModuleState.UNSEEN,
    Outcome.REFUSED: ModuleState.REFUSED,
    Outcome.ROLLED_BACK: ModuleState.ROLLED_BACK,
    Outcome.WAITING: ModuleState.WAITING,
    Outcome.BROKEN: ModuleState.BROKEN,
    Outcome.RETIRING: ModuleState.BROKEN,
}


@dataclass(frozen=True, slots=True)
class ServiceState:
    """State of one chain in one slot of one module."""

    module: str
    slot: str
    reason: str
    deployment: str | None
    status: Status
    problem: Problem | None = None
    instead_of: str | None = None
    """Id of the chain that is bound there, unless that one only waits for the module's activation window."""


class Uses:
    """Uses of chains by the modules."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._bound = {binding.key: binding for binding in snapshot.bindings}
        self._modules = {record.name: record for record in snapshot.modules}
        self._endpoints: dict[tuple[str, str], list[EndpointRecord]] = defaultdict(list)
        self._refusals: dict[str, list[Refusal]] = defaultdict(list)
        self._instead: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for endpoint in snapshot.endpoints:
            self._endpoints[endpoint.module, endpoint.slot].append(endpoint)
        for refusal in snapshot.refusals:
            self._refusals[refusal.module].append(refusal)
        for module, slots in snapshot.live.items():
            for slot, chain in slots.items():
                if self._wanted(module, slot) != chain:
                    self._instead[chain].append((module, slot))

    def endpoints(self, module: str, slot: str) -> Sequence[EndpointRecord]:
        """Return what was seen where a slot is served."""
        return self._endpoints[module, slot]

    def retries(self, chain: str) -> list[datetime]:
        """Return when a chain that was refused is tried again."""
        return [refusal.retry_at for each in self._refusals.values() for refusal in each if refusal.subject == chain]

    def bound(self, binding: Binding) -> ServiceState:
        """Return what became of a chain where it is bound."""
        deployment, status, problem = self._outcome(binding)
        return ServiceState(binding.module, binding.slot, binding.reason, deployment, status, problem)

    def standing_in(self, chain: str) -> list[ServiceState]:
        """Return where a chain is in service though another one is bound there."""
        rows = []
        for module, slot in self._instead[chain]:
            wanted = self._wanted(module, slot)
            reason = (
                f"in service until {wanted[:12]} is" if wanted else "in service, though nothing asks for it any more"
            )
            instead_of = None if module in self._snapshot.deferred else wanted
            rows.append(ServiceState(module, slot, reason, str(Outcome.LIVE), Status.VALID, instead_of=instead_of))
        return rows

    def refused(self, chain: str) -> list[ServiceState]:
        """Return where a chain would be bound if the module's service took it: another one is, until then."""
        rows = []
        for refusals in self._refusals.values():
            for each in refusals:
                wanted = self._wanted(each.module, each.slot)
                if each.kind is RefusedKind.CHAIN and each.subject == chain and wanted not in {None, chain}:
                    rows.append(self._given_way(each, str(wanted)))
        return rows

    def _given_way(self, refusal: Refusal, wanted: str) -> ServiceState:
        present = self._snapshot.deployments.get(refusal.module)
        back = present is not None and present.outcome is Outcome.ROLLED_BACK
        outcome = str(Outcome.ROLLED_BACK if back else Outcome.REFUSED)
        reason = f"{wanted[:12]} serves until this one is taken"
        return ServiceState(refusal.module, refusal.slot, reason, outcome, Status.NOT_DEPLOYED, refusal.problem)

    def module(self, record: ModuleRecord) -> tuple[ModuleState, Problem | None]:
        """Return the state of a module, and why."""
        present = self._snapshot.deployments.get(record.name)
        if not record.enabled:
            return ModuleState.DISABLED, None
        if record.problem is not None:
            return ModuleState.FAILED, record.problem
        if present is None:
            asks = any(need.module == record.name for need in self._snapshot.needs)
            return ModuleState.NEW if asks else ModuleState.ASKS_FOR_NOTHING, None
        gone = self._gone(present) if present.outcome is Outcome.WAITING else None
        if gone is not None:
            return ModuleState.BROKEN, gone
        if present.outcome not in {Outcome.LIVE, Outcome.UNSEEN}:
            return STATES[present.outcome], present.problem
        return self._troubles(record.name) or self._waits(record.name) or (STATES[present.outcome], present.problem)

    def _wanted(self, module: str, slot: str) -> str | None:
        binding = self._bound.get((module, slot))
        return binding.chain if binding else None

    def _outcome(self, binding: Binding) -> tuple[str | None, Status, Problem | None]:
        present = self._snapshot.deployments.get(binding.module)
        refusal = self._refusal(binding)
        if refusal is not None:
            back = present is not None and present.outcome is Outcome.ROLLED_BACK
            return str(Outcome.ROLLED_BACK if back else Outcome.REFUSED), Status.NOT_DEPLOYED, refusal.problem
        if present is None:
            return None, Status.NOT_DEPLOYED, self._why_not_yet(binding.module)
        live = self._snapshot.live.get(binding.module, {}).get(binding.slot) == binding.chain
        opens = self._snapshot.deferred.get(binding.module)
        if opens is not None and not live:
            return str(Outcome.WAITING), Status.WAITING, problems.window(binding.module, opens)
        if present.outcome is Outcome.WAITING:
            gone = self._gone(present)
            status = Status.WAITING if gone is None else Status.NOT_DEPLOYED
            return str(Outcome.WAITING), status, gone or present.problem
        if live and present.outcome is not Outcome.BROKEN:
            return self._seen(binding, present.outcome)
        return self._elsewhere(binding, present)

    def _gone(self, present: Deployment) -> Problem | None:
        """Say that a service has served and is gone, whatever waits for its start; None: it never ran, or it runs."""
        rows = (each for each in self._snapshot.endpoints if each.module == present.module and each.gone)
        gone = next((each.problem for each in rows), None)
        return replace(gone, detail=gone.detail or present.problem.cause) if gone and present.problem else gone

    def _seen(self, binding: Binding, outcome: Outcome) -> tuple[str, Status, Problem | None]:
        """Believe that a chain is served as long as no endpoint says otherwise."""
        wrong = [each.problem for each in self.endpoints(binding.module, binding.slot) if not each.ok]
        problem = next((each for each in wrong if each), None)
        shown = Outcome.UNSEEN if outcome is Outcome.UNSEEN and not wrong else Outcome.LIVE
        return str(shown), Status.NOT_DEPLOYED if wrong else Status.VALID, problem

    def _elsewhere(self, binding: Binding, present: Deployment) -> tuple[str | None, Status, Problem | None]:
        outcome = None if present.outcome is Outcome.LIVE else str(present.outcome)
        record = self._modules.get(binding.module)
        problem = (
            record.problem if record else None
        )  # it can't be asked: what kept it from serving before is not tried again
        problem = problem or present.problem or self._why_left_out(binding) or problems.not_switched(binding.module)
        return outcome, Status.NOT_DEPLOYED, problem

    def _why_left_out(self, binding: Binding) -> Problem | None:
        """Return why a service takes neither the slot nor, where that is so, its whole module."""
        of_both = [each for each in self._refusals[binding.module] if each.slot in {binding.slot, ""}]
        return next((each.problem for each in sorted(of_both, key=lambda each: not each.slot)), None)

    def _refusal(self, binding: Binding) -> Refusal | None:
        for each in self._refusals[binding.module]:
            if (each.slot, each.kind, each.subject) == (binding.slot, RefusedKind.CHAIN, binding.chain):
                return each
        return None

    def _why_not_yet(self, module: str) -> Problem:
        record = self._modules.get(module)
        return (record.problem if record else None) or problems.not_switched(module)

    def _troubles(self, module: str) -> tuple[ModuleState, Problem | None] | None:
        for refusal in self._refusals[module]:
            return ModuleState.REFUSED, refusal.problem
        wrong = [each for each in self._snapshot.endpoints if each.module == module and not each.ok]
        return (ModuleState.BROKEN, wrong[0].problem) if wrong else None

    def _waits(self, module: str) -> tuple[ModuleState, Problem | None] | None:
        opens = self._snapshot.deferred.get(module)
        return (ModuleState.WAITING, problems.window(module, opens)) if opens is not None else None
