"""Removal of generations that are no longer needed."""

from __future__ import annotations

from agent.deploy import staging
from agent.deploy.deploy_context import DeployContext


def sweep(context: DeployContext, module: str) -> None:
    """Remove a module's old generations and what crashes left; keep the one in service and the newest others."""
    live = context.live(module)
    _sweep(context, context.module_dir(module), live.number if live else None)


def sweep_entries(context: DeployContext, service: str) -> None:
    """Remove a shared service's old entries and what crashes left."""
    _sweep(context, context.service_dir(service), context.store.deployments.entry(service))


def _sweep(context: DeployContext, generation_dir: staging.GenerationDir, live: int | None) -> None:
    for number in surplus_of(context, generation_dir, live):
        staging.remove(generation_dir, number)
        context.store.deployments.drop_generation(generation_dir.owner, number)


def surplus_of(context: DeployContext, generation_dir: staging.GenerationDir, live: int | None) -> list[int]:
    """Return the numbers of generations that are not kept when `live` is in service."""
    on_disk = {int(path.name) for path in generation_dir.state.glob("[0-9]*") if path.name.isdecimal()}
    known = context.store.deployments.numbers(generation_dir.owner)
    older = [number for number in known if number in on_disk and (live is None or number < live)]
    kept = {live, *older[max(0, len(older) - context.keep + 1) :]}
    return sorted((on_disk | set(known)) - kept)
