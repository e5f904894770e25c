"""Listeners that a pass finds enabled: each has a cursor from then on. What one that is gone has failed in is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from agent.engine.pass_inputs import PassInputs
from agent.store import Store
from agent.store.deliveries import failures_of, skips_of

TOLD_FOR = timedelta(days=1)
"""So long it is told that a listener has missed events."""


def follow_listeners(store: Store, inputs: PassInputs, last: int, now: datetime) -> None:
    """Have those told that are enabled now; one that is new is told what comes after the event `last`."""
    known = {each.listener for each in store.deliveries.all()}
    over = list(_over(store, now))
    if known == set(inputs.listeners) and not over:
        return
    broken = {each.name for each in inputs.plugins if each.errors}
    with store.write():
        gone = store.deliveries.follow(inputs.listeners, last, broken)
        for scope in [*over, *map(failures_of, gone), *map(skips_of, gone)]:
            store.conditions.replace(scope, [], now)


def _over(store: Store, now: datetime) -> Iterator[str]:
    """Yield the scopes of what was told for long enough."""
    for each in store.deliveries.all():
        scope = skips_of(each.listener)
        if any(found.since and found.since < now - TOLD_FOR for found in store.conditions.of(scope)):
            yield scope
