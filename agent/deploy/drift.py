"""Detection of drift on the wire and on disk, when nothing is being deployed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.deploy import staging
from agent.deploy.deploy_context import DeployContext
from agent.deploy.endpoints import checks_of, observe, records_of
from agent.errors import AgentError
from agent.errors.deploy import FileDamaged, ServiceDown
from agent.model.deployment import Deployment, Generation, Outcome, Step
from agent.model.events import EventKind
from agent.probing.probe import Observation


def find_drift(context: DeployContext, modules: Sequence[str]) -> list[str]:
    """Check every endpoint and file of `modules`, store the result, and return those to be repaired or started."""
    return [module for module in modules if _is_to_repair(context, module)]


def find_damage(context: DeployContext) -> None:
    """Check that the files in service are there and unchanged, before services start with them."""
    for module in context.enabled.modules:
        generation, deployment = context.live(module), context.deployment(module)
        if generation is not None and deployment is not None:
            _is_damaged(context, module, generation, deployment)


def _is_to_repair(context: DeployContext, module: str) -> bool:
    generation = context.live(module)
    deployment = context.deployment(module)
    if generation is None or deployment is None:
        return False
    try:
        checks = checks_of(context, module, generation)
    except AgentError as error:
        _store(context, replace(deployment, outcome=Outcome.BROKEN, step=str(Step.PROBING), problem=error.problem))
        return False
    seen = observe(context, checks, until_served=False)
    with context.store.write():
        context.store.endpoints.put(module, records_of(context, checks, seen, {}))
    return _needs_repair(context, module, generation, deployment, list(seen.values()))


def _needs_repair(
    context: DeployContext, module: str, generation: Generation, deployment: Deployment, seen: list[Observation]
) -> bool:
    if _is_damaged(context, module, generation, deployment):
        return True
    wrong = [each.problem for each in seen if each.problem is not None]
    if not wrong:
        return False
    if all(each.dead for each in seen):
        down = ServiceDown(module, "nobody listens at its endpoints")
        _store(context, replace(deployment, outcome=Outcome.WAITING, step=str(Step.PROBING), problem=down.problem))
        context.tell(EventKind.WAITING, down.problem.cause, module)
        return True
    context.tell(EventKind.DRIFT, wrong[0].problem.cause, module, endpoint=wrong[0].problem.where)
    return True


def _is_damaged(context: DeployContext, module: str, generation: Generation, deployment: Deployment) -> bool:
    """Store and report that a file in service is not what the agent wrote; the next plan repairs it."""
    path = staging.damage(context.module_dir(module), generation) or _damage_of_entries(context, module)
    if path is None:
        return False
    damage = FileDamaged(module, path)
    context.tell(EventKind.DRIFT, damage.problem.cause, module)
    _store(context, replace(deployment, outcome=Outcome.BROKEN, problem=damage.problem, retry_at=None))
    return True


def _damage_of_entries(context: DeployContext, module: str) -> str | None:
    """Return the damaged file of an entry that includes the module: its service could not start with it."""
    for service in context.enabled.modules[module].services:
        entry = context.live_entry(service)
        path = staging.damage(context.service_dir(service), entry) if entry is not None else None
        if path is not None:
            return f"{service}/{path}"
    return None


def _store(context: DeployContext, deployment: Deployment) -> None:
    with context.store.write():
        context.store.deployments.put(replace(deployment, at=context.clock()))
