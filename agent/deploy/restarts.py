"""Starts of services that have ended: noted, and held back where one ends again and again."""

from __future__ import annotations

from agent.deploy.deploy_context import DeployContext
from agent.model.restart import started_again
from agent.store.restarts import KEY, read_restarts, written


def is_held_back(context: DeployContext, service: str) -> bool:
    """Whether a service was started so lately, and so often, that it isn't started again yet."""
    last = read_restarts(context.store).get(service)
    return last is not None and last.pause.holds(context.clock())


def note_start(context: DeployContext, service: str) -> None:
    """Count a start; services that have run steadily since are forgotten."""
    now = context.clock()
    with context.store.write():
        known = read_restarts(context.store)
        known[service] = started_again(known.get(service), service, now)
        context.store.remember(KEY, written(each for each in known.values() if each.counts(now)))
