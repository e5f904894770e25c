"""Orders that were tried just now and would be due at once again: they are deferred, so that a run comes to its end."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from agent.engine.orders import Delivery
from agent.errors import SourceError
from agent.errors.challenges import AnotherNode
from agent.model.pause import is_recent
from agent.model.records import OrderRecord
from agent.planning import WAITING_AGAIN

Key = tuple[str, str]
"""`(request, source)`."""


class DeferredOrders:
    """Orders that are not tried again during one run of `apply`, or for a minute of a process that goes on.

    A failure that names a later next try needs no place here.
    """

    def __init__(self, seconds: float = WAITING_AGAIN.total_seconds()) -> None:
        self._seconds = seconds
        self._since: dict[Key, float] = {}
        self._failed: set[Key] = set()

    def note(self, deliveries: Iterable[Delivery]) -> None:
        """Defer what was tried."""
        for each in deliveries:
            retry_at = each.error.retry_at if isinstance(each.error, SourceError) else None
            failed = retry_at is not None and retry_at <= each.at
            if failed or each.chain is not None:
                self._since[each.obtain.key] = time.monotonic()
            if failed:
                self._failed.add(each.obtain.key)

    @property
    def keys(self) -> frozenset[Key]:
        """Orders that are deferred now."""
        until = time.monotonic() - self._seconds
        self._since = {key: since for key, since in self._since.items() if since > until}
        return frozenset(self._since)

    @property
    def failed(self) -> bool:
        """Whether an order is deferred that has failed, and that another run would try."""
        return bool(self._failed & self.keys)


def waits_for_another(order: OrderRecord) -> bool:
    """Whether another machine was to ask the CA when it was tried last."""
    return order.problem is not None and order.problem.get("code") == AnotherNode.code


def looked_at_again(order: OrderRecord, now: datetime) -> OrderRecord:
    """Return an order that waits for another machine as due: a pass has the command run that tells, but not at once again."""
    if not waits_for_another(order) or order.tried_at is None or is_recent(order.tried_at, now, WAITING_AGAIN):
        return order
    return replace(order, retry_at=min(now, order.retry_at or now))
