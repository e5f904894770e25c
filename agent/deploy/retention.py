"""Removing generations that nobody needs any more."""

from __future__ import annotations

from agent.deploy import staging
from agent.deploy.deploy_context import Tools


def sweep(tools: Tools, module: str) -> None:
    """Remove old generations and left-overs of a module; the one in service and the newest others stay."""
    live = tools.live(module)
    shop = tools.module_shop(module)
    _sweep(tools, shop, live.number if live else None)


def sweep_entries(tools: Tools, service: str) -> None:
    """Remove old entries and left-overs of a shared service."""
    _sweep(tools, tools.service_shop(service), tools.store.deployments.entry(service))


def _sweep(tools: Tools, shop: staging.Shop, live: int | None) -> None:
    for number in surplus_of(tools, shop, live):
        staging.remove(shop, number)
        tools.store.deployments.drop_generation(shop.owner, number)


def surplus_of(tools: Tools, shop: staging.Shop, live: int | None) -> list[int]:
    """Return the numbers of generations that are not kept when `live` is in service."""
    on_disk = {int(path.name) for path in shop.state.glob("[0-9]*") if path.name.isdecimal()}
    known = tools.store.deployments.numbers(shop.owner)
    older = [number for number in known if number in on_disk and (live is None or number < live)]
    kept = {live, *older[max(0, len(older) - tools.keep + 1) :]}
    return sorted((on_disk | set(known)) - kept)
