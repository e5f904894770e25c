"""Whether what a change was for has come about: told by what is in service after its passes."""

from __future__ import annotations

import json

from agent.model.aim import Aim, AimOutcome
from agent.operations.effects import Switch
from agent.report.rows import Report
from agent.store import Store


def aim_at(switches: list[Switch] | tuple[Switch, ...], chain: str = "", instead_of: tuple[str, ...] = ()) -> Aim:
    """Return the aim of a change that gives these needs another chain: `chain`, or any but `instead_of`."""
    return Aim(tuple((each.module, each.slot) for each in switches), chain, instead_of)


def outcome_of(aim: Aim, store: Store, status: Report) -> AimOutcome:
    """Return what became of an aim, and what else is not well."""
    live = store.deployments.live_chains()
    deferred = json.loads(store.meta("deferred") or "{}")
    reached, missed = [], []
    for module, slot in aim.slots:
        if aim.is_served_by(live.get(module, {}).get(slot)) or module in deferred:
            reached.append(f"{module}/{slot}")
        else:
            missed.append(f"{module}/{slot}: {_why_missed(store, module, slot)}")
    own = {place for place, _, _ in (each.partition(": ") for each in missed)}
    also = [
        f"{each.name}: {each.problem.cause}"
        for each in status.findings
        if each.severity.degrades
        and each.subject not in own
        and not any(_is_said(each.problem.cause, row) for row in missed)
    ]
    return AimOutcome(tuple(reached), tuple(missed), tuple(also))


def _is_said(cause: str, row: str) -> bool:
    return row.endswith(cause)


def _why_missed(store: Store, module: str, slot: str) -> str:
    """Return the first cause that is known: the service's, the source's, or that it takes longer."""
    for refusal in store.deployments.refusals():
        if refusal.module == module and refusal.slot in {slot, ""}:
            return refusal.problem.cause
    present = store.deployments.all().get(module)
    if present is not None and present.problem is not None:
        return present.problem.cause
    need = next((each for each in store.modules.needs(module) if each.slot == slot), None)
    for order in store.orders.records():
        if need is not None and order.request == need.request.id and order.problem is not None:
            return str(order.problem.get("cause", ""))
    return "it is not done yet; the next pass goes on with it."
