"""Which modules a pass looks at though nothing is to be deployed for them, and the repair of their files' modes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from agent.contract.module import Module
from agent.deploy.deploy_context import DeployContext
from agent.deploy.failures import SCOPE
from agent.deploy.modes import places_of_module, places_of_service
from agent.engine import conditions
from agent.model.deployment import Outcome
from agent.model.finding import SubjectKind
from agent.planning import Look, Plan
from agent.store import Store
from agent.system.leftovers import remove_drafts_of
from agent.system.modes import Place, Repair, repaired


def modules_to_look_at(
    store: Store, made: Plan, deployed: Sequence[str], modules: Mapping[str, Module], now: datetime
) -> list[str]:
    """Return the modules that are due, and those for which something failed the last time: it may be mended."""
    due = [action.module for action in made.actions if isinstance(action, Look)] + _not_looked_at(store, deployed, now)
    failed = {each.subject for each in store.conditions.of(SCOPE)}
    again = [name for name, each in modules.items() if name in failed or not failed.isdisjoint(each.services)]
    return list(dict.fromkeys([*due, *again]))


def _not_looked_at(store: Store, deployed: Sequence[str], now: datetime) -> list[str]:
    """Return the modules with an endpoint that is still due: deployments look only where something was switched."""
    if not deployed:
        return []
    due = {row.module for row in store.endpoints.all() if row.next_at and not row.pause.holds(now)}
    waiting = {name for name, each in store.deployments.all().items() if each.outcome is Outcome.WAITING}
    return [module for module in deployed if module in due - waiting]


def repair_modes(context: DeployContext, modules: Sequence[str]) -> None:
    """Repair modes and owners of the files of modules, and of their services' entries, and note what was changed."""
    enabled = context.enabled.modules
    repairs: list[Repair] = []
    for module in modules:
        with context.failures.apart("repair of modes", module):
            repairs += _repaired(context, places_of_module(context, module))
    for service in sorted({name for module in modules for name in enabled[module].services}):
        with context.failures.apart("repair of modes", service, SubjectKind.SERVICE):
            repairs += _repaired(context, places_of_service(context, service))
    if repairs:
        conditions.note_repairs(context.store, repairs, context.clock())


def _repaired(context: DeployContext, of_one: Iterable[Place]) -> list[Repair]:
    places, state = [*of_one], context.enabled.layout.state
    drafts = (place.path for place in places if not place.path.is_relative_to(state))
    remove_drafts_of(drafts, context.enabled.layout.root)
    return repaired(places, state)
