"""Renames that can't be undone: what is left of their transaction waits until the cause is gone, for its own modules alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from agent.deploy.deploy_context import DeployContext
from agent.deploy.record import TransactionRecord
from agent.deploy.renames import Rename
from agent.errors.damage import DiskFailed, NotPutBack
from agent.model.deployment import Deployment, Outcome, Step
from agent.model.events import EventKind
from agent.model.finding import Severity
from agent.model.pause import back_off

Failed = Mapping[Rename, DiskFailed]
"""Renames that can't be done or undone, with the reason."""


def modules_of(context: DeployContext, record: TransactionRecord, renames: Iterable[Rename]) -> set[str]:
    """Return the modules of a transaction that need these paths, and those in services whose entries need them."""
    return {name for rename in renames for name in _modules_at(context, record, Path(rename.target))}


def left_of(context: DeployContext, record: TransactionRecord, failed: Failed) -> TransactionRecord:
    """Return what is left of a transaction: the renames that can't be undone, with the modules that they are about."""
    stuck = modules_of(context, record, failed)
    services = {service for rename in failed for service in _services_at(context, record, Path(rename.target))}
    return replace(
        record,
        modules={name: move for name, move in record.modules.items() if name in stuck},
        entries={name: move for name, move in record.entries.items() if name in services},
        renames=tuple(failed),
        differences=(),
        retired={name: number for name, number in record.retired.items() if name in stuck},
        services=(),
        former=(),
    )


def hold(context: DeployContext, record: TransactionRecord, failed: Failed) -> None:
    """Store and tell, of each module that it is about, what keeps a switch from being undone."""
    for name in sorted(modules_of(context, record, failed)):
        error = next(each for rename, each in failed.items() if name in modules_of(context, record, [rename]))
        told = NotPutBack(error.where, error.reason, error.cure)
        context.failures.note(name, told, Severity.ERROR)
        if name not in record.retired:
            _store(context, name, told)


def held(context: DeployContext) -> set[str]:
    """Return the modules whose last switch has not come to its end: nothing else is done with them before."""
    found: set[str] = set()
    for row in context.store.deployments.transactions():
        found |= {*row.record.get("modules", ()), *(row.record.get("retired") or ())}
        found |= {name for service in row.record.get("entries", ()) for name in context.enabled.modules_of(service)}
    return found


def _store(context: DeployContext, module: str, error: NotPutBack) -> None:
    now, present = context.clock(), context.deployment(module)
    known = present is not None and present.problem is not None and present.problem.cause == error.problem.cause
    row = replace(
        present or Deployment(module, None, Outcome.BROKEN),
        outcome=Outcome.BROKEN,
        step=str(Step.GOING_BACK),
        problem=error.problem,
        at=present.at if present and known else now,
        retry_at=now + back_off(2),
        tried_at=now,
    )
    with context.store.write():
        context.store.deployments.put(row)
    if not known:
        context.tell(EventKind.BROKEN, error.problem.cause, module)


def _modules_at(context: DeployContext, record: TransactionRecord, path: Path) -> set[str]:
    """Return the modules that need a path; all of them where nothing tells whose it is."""
    names = {*record.modules, *record.retired}
    services = set(_services_at(context, record, path))
    if services:
        enabled = context.enabled.modules
        return {name for name in names if name not in enabled or services.intersection(enabled[name].services)}
    below = context.enabled.layout.module
    found = {name for name in names if below(name).state in path.parents or path in _paths_of(context, record, name)}
    return found or names


def _services_at(context: DeployContext, record: TransactionRecord, path: Path) -> Iterator[str]:
    """Yield the shared services whose entries need a path."""
    rooted, generations = context.enabled.layout.rooted, context.store.deployments
    for service, move in record.entries.items():
        place = context.service_dir(service)
        numbers = [number for number in (move.old, move.new) if number is not None]
        published = [place.published(generations.generation(place.owner, number)) for number in numbers]
        if place.state in path.parents or any(rooted(each) == path for paths in published for each in paths):
            yield service


def _paths_of(context: DeployContext, record: TransactionRecord, module: str) -> set[Path]:
    """Return the fixed paths of a module in a transaction."""
    move, place = record.modules.get(module), context.module_dir(module)
    numbers = [record.retired.get(module), *((move.old, move.new) if move else ())]
    found = [place.published(context.generation(module, number)) for number in numbers]
    return {context.enabled.layout.rooted(path) for paths in found for path in paths}
