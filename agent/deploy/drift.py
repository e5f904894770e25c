"""Detection of drift on the wire and on disk, when nothing is being deployed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from agent.deploy import staging
from agent.deploy.deploy_context import DeployContext
from agent.deploy.endpoint_checks import EndpointCheck, checks_in_service, observe
from agent.deploy.evidence import last_records, records_of
from agent.deploy.mending import mend_module
from agent.deploy.published_files import put_back
from agent.errors import AgentError
from agent.errors.deploy import FileDamaged, ServiceDown
from agent.model.deployment import Deployment, EndpointRecord, Generation, Outcome, Step
from agent.model.events import EventKind
from agent.probing.probe import Observation
from agent.system.writing import flush_file_system

RESTART = (0.1, 0.2, 0.4, 0.6, 0.7)
"""Seconds between looks at an endpoint that served the last time, until it is believed that nobody listens there."""


def find_drift(context: DeployContext, modules: Sequence[str]) -> list[str]:
    """Check every endpoint and file of `modules`, store the result, and return those to be repaired or started."""
    found = []
    for module in modules:
        with context.failures.apart("look", module):
            found += [module] if _is_to_repair(context, module) else []
    return found


def find_damage(context: DeployContext, modules: Iterable[str]) -> list[str]:
    """Check that the files of `modules` are there and unchanged, before their services start. Return those to be repaired.

    At boot the same bytes are put back at once, without a test.
    """
    found, modules = [], list(modules)
    if context.boot:
        _mend(context, modules)
    for module in modules:
        with context.failures.apart("look", module):
            generation, deployment = context.live(module), context.deployment(module)
            if generation is not None and deployment is not None:
                found += [module] if _is_damaged(context, module, generation, deployment) else []
                _put_back(context, module)
    return found


def _mend(context: DeployContext, modules: Iterable[str]) -> None:
    mended: list[Path] = []
    for module in modules:
        with context.failures.apart("look", module):
            mended += mend_module(context, module)
    if mended:
        flush_file_system(context.enabled.layout.state)
        text = f"{len(mended)} {'file was' if len(mended) == 1 else 'files were'} put back, the first {mended[0]}"
        context.tell(EventKind.DRIFT, text)


def _is_to_repair(context: DeployContext, module: str) -> bool:
    generation = context.live(module)
    deployment = context.deployment(module)
    if generation is None or deployment is None:
        return False
    before = last_records(context, module)
    try:
        checks = checks_in_service(context, module, generation, before)
    except AgentError as error:
        _store(context, replace(deployment, outcome=Outcome.BROKEN, step=str(Step.PROBING), problem=error.problem))
        return False
    seen = _look(context, checks, before)
    rows = records_of(context, checks, seen, before)
    with context.store.write():
        context.store.endpoints.put(module, rows)
    _tell(context, rows, before)
    judged = [row for row in rows if not row.further and not row.new_sessions_fail]
    none_alive = all(check.key in seen and seen[check.key].dead for check in checks if not check.further)
    return _needs_repair(context, module, generation, deployment, judged, none_alive=none_alive)


def _look(
    context: DeployContext, checks: list[EndpointCheck], before: Mapping[str, EndpointRecord]
) -> dict[str, Observation]:
    """Look at the endpoints that are due, and at the others of the module too where something is wrong at one of those."""
    now = context.clock()
    due = [check for check in checks if _is_due(before.get(check.key), now)]
    seen = _patiently(context, due, before)
    if all(each.ok for each in seen.values()):
        return seen
    return seen | _patiently(context, [check for check in checks if check.key not in seen], before)


def _is_due(last: EndpointRecord | None, now: datetime) -> bool:
    return last is None or not last.pause.holds(now)


def _patiently(
    context: DeployContext, checks: list[EndpointCheck], before: Mapping[str, EndpointRecord]
) -> dict[str, Observation]:
    """Look, and look again for a moment where a service that served is not there: it may be about to be restarted."""
    seen = observe(context, checks, until_served=False)
    for pause in RESTART:
        gone = [check for check in checks if seen[check.key].dead and check.key in before and before[check.key].ok]
        if not gone:
            break
        context.prober.wait(pause)
        seen |= observe(context, gone, until_served=False)
    return seen


def _tell(context: DeployContext, rows: Sequence[EndpointRecord], before: Mapping[str, EndpointRecord]) -> None:
    """Tell the first thing that is wrong and was not so before, and that all is well again."""
    last = {key: each.problem.code for key, each in before.items() if each.problem is not None}
    news = (row for row in rows if row.problem and last.get(f"{row.module} {row.key}") != row.problem.code)
    first = next(news, None)
    if first is not None and first.problem is not None:
        context.tell(EventKind.DRIFT, first.problem.cause, first.module, endpoint=first.problem.where)
    elif last and all(row.ok for row in rows):
        context.tell(EventKind.DEPLOYED, "it is served again", rows[0].module)


def _needs_repair(
    context: DeployContext,
    module: str,
    generation: Generation,
    deployment: Deployment,
    rows: list[EndpointRecord],
    *,
    none_alive: bool,
) -> bool:
    if _is_damaged(context, module, generation, deployment):
        return True
    if path := _put_back(context, module):  # the service may have read what was there meanwhile
        _note_damage(context, deployment, path)
        return True
    if all(row.ok for row in rows):
        return False
    if none_alive and not any(row.stopped for row in rows):
        down = ServiceDown(module, "nobody listens at its endpoints")
        _store(context, replace(deployment, outcome=Outcome.WAITING, step=str(Step.PROBING), problem=down.problem))
        context.tell(EventKind.WAITING, down.problem.cause, module)
    return True


def _is_damaged(context: DeployContext, module: str, generation: Generation, deployment: Deployment) -> bool:
    """Store and report that a file in service is not what the agent wrote; the next plan repairs it."""
    path = staging.damage(context.module_dir(module), generation) or _damage_of_entries(context, module)
    if path is None:
        return False
    context.tell(EventKind.DRIFT, FileDamaged(module, path).problem.cause, module)
    _note_damage(context, deployment, path)
    return True


def _put_back(context: DeployContext, module: str) -> str:
    """Write the files at fixed paths again that are gone or were changed; return the first. Raises `DiskFailed`."""
    found = put_back(context, module)
    for path in found:
        context.tell(EventKind.DRIFT, FileDamaged(module, path).problem.cause, module)
    return next(iter(found), "")


def _note_damage(context: DeployContext, deployment: Deployment, path: str) -> None:
    damage = FileDamaged(deployment.module, path)
    _store(context, replace(deployment, outcome=Outcome.BROKEN, problem=damage.problem, retry_at=None))


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
