"""Looking for drift: on the wire and on disk, when nothing is being deployed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.deploy import staging
from agent.deploy.deploy_context import Tools
from agent.deploy.endpoint_check import observe, records_of, sights_of
from agent.errors import AgentError
from agent.errors.deploy import FileDamaged, ServiceDown
from agent.model.deployment import Deployment, Generation, Outcome, Step
from agent.model.events import Kind
from agent.probing.probe import Observation


def look(tools: Tools, modules: Sequence[str]) -> list[str]:
    """Look at every endpoint and file of `modules`, store what is seen, and return those to be repaired or started."""
    return [module for module in modules if _look_at(tools, module)]


def look_at_files(tools: Tools) -> None:
    """Look whether the files in service are there and unchanged, before services start with them."""
    for module in tools.fleet.modules:
        generation, deployment = tools.live(module), tools.deployment(module)
        if generation is not None and deployment is not None:
            _is_damaged(tools, module, generation, deployment)


def _look_at(tools: Tools, module: str) -> bool:
    generation = tools.live(module)
    deployment = tools.deployment(module)
    if generation is None or deployment is None:
        return False
    try:
        sights = sights_of(tools, module, generation)
    except AgentError as error:
        _store(tools, replace(deployment, outcome=Outcome.BROKEN, step=str(Step.PROBING), problem=error.problem))
        return False
    seen = observe(tools, sights, patient=False)
    with tools.store.write():
        tools.store.endpoints.put(module, records_of(tools, sights, seen, {}))
    return _judge(tools, module, generation, deployment, list(seen.values()))


def _judge(tools: Tools, module: str, generation: Generation, deployment: Deployment, seen: list[Observation]) -> bool:
    if _is_damaged(tools, module, generation, deployment):
        return True
    wrong = [each.problem for each in seen if each.problem is not None]
    if not wrong:
        return False
    if all(each.dead for each in seen):
        down = ServiceDown(module, "nobody listens at its endpoints")
        _store(tools, replace(deployment, outcome=Outcome.WAITING, step=str(Step.PROBING), problem=down.problem))
        tools.tell(Kind.WAITING, down.problem.cause, module)
        return True
    tools.tell(Kind.DRIFT, wrong[0].problem.cause, module, endpoint=wrong[0].problem.where)
    return True


def _is_damaged(tools: Tools, module: str, generation: Generation, deployment: Deployment) -> bool:
    """Note and tell that a file in service isn't what the agent wrote; the next plan repairs it."""
    path = _damage(tools.module_shop(module), generation) or _damage_of_entries(tools, module)
    if path is None:
        return False
    damage = FileDamaged(module, path)
    tools.tell(Kind.DRIFT, damage.problem.cause, module)
    _store(tools, replace(deployment, outcome=Outcome.BROKEN, problem=damage.problem, retry_at=None))
    return True


def _damage_of_entries(tools: Tools, module: str) -> str | None:
    """Return what is wrong with what services include the module by: they would not start with it any more."""
    for service in tools.fleet.modules[module].services:
        shop = tools.service_shop(service)
        number = tools.store.deployments.entry(service)
        entry = tools.store.deployments.generation(shop.owner, number) if number is not None else None
        path = _damage(shop, entry) if entry is not None else None
        if path is not None:
            return f"{service}/{path}"
    return None


def _damage(shop: staging.Shop, generation: Generation) -> str | None:
    return staging.damaged(shop.directory(generation.number), generation) or staging.misplaced(shop.state, generation)


def _store(tools: Tools, deployment: Deployment) -> None:
    with tools.store.write():
        tools.store.deployments.put(replace(deployment, at=tools.clock()))
