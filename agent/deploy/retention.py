"""Removal of generations that are no longer needed."""

from __future__ import annotations

from pathlib import Path

from agent.deploy import staging
from agent.deploy.deploy_context import DeployContext


def sweep(context: DeployContext, module: str) -> None:
    """Remove a module's old generations and what crashes left; keep the one in service and the newest others."""
    live = context.live(module)
    _sweep(context, context.module_dir(module), live.number if live else None)


def sweep_entries(context: DeployContext, service: str) -> None:
    """Remove a shared service's old entries and what crashes left."""
    _sweep(context, context.service_dir(service), context.store.deployments.entry(service))


def keep_refused(context: DeployContext, generation_dir: staging.GenerationDir, number: int) -> None:
    """Keep a generation that was refused until the next try, in place of one that was kept before."""
    if staging.refused_number(generation_dir) != number:
        drop_refused(context, generation_dir)
    if generation_dir.directory(number).is_dir():
        staging.mark_refused(generation_dir, number)


def drop_refused(context: DeployContext, generation_dir: staging.GenerationDir) -> None:
    """Remove the refused generation that was kept, if there is one."""
    number = staging.refused_number(generation_dir)
    if number is not None:
        drop(context, generation_dir, number)


def refused_path(context: DeployContext, module: str) -> Path | None:
    """Return where people find the refused files of a module, or of one of its services; None: none were kept."""
    services = context.enabled.modules[module].services if module in context.enabled.modules else ()
    places = (context.module_dir(module), *map(context.service_dir, services))
    return next((each.refused for each in places if staging.refused_number(each) is not None), None)


def _sweep(context: DeployContext, generation_dir: staging.GenerationDir, live: int | None) -> None:
    for number in surplus_of(context, generation_dir, live):
        drop(context, generation_dir, number)


def drop(context: DeployContext, generation_dir: staging.GenerationDir, number: int) -> OSError | None:
    """Remove a generation from disk and forget it. One that can't be removed is kept in mind, and why is returned."""
    error = staging.remove(generation_dir, number)
    if error is None:
        with context.store.write():
            context.store.deployments.drop_generation(generation_dir.owner, number)
    return error


def surplus_of(context: DeployContext, generation_dir: staging.GenerationDir, live: int | None) -> list[int]:
    """Return the numbers of generations that are not kept when `live` is in service."""
    on_disk = {int(path.name) for path in generation_dir.state.glob("[0-9]*") if path.name.isdecimal()}
    known = context.store.deployments.numbers(generation_dir.owner)
    older = [number for number in known if number in on_disk and (live is None or number < live)]
    kept = {live, staging.refused_number(generation_dir), *older[max(0, len(older) - context.keep + 1) :]}
    return sorted((on_disk | set(known)) - kept)
