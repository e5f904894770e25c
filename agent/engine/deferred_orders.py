"""Orders that were tried just now and would be due at once again: they rest, lest a run never ends."""

from __future__ import annotations

import time
from collections.abc import Iterable

from agent.engine.orders import Delivery
from agent.errors import SourceError
from agent.planning import WAITING_AGAIN

Key = tuple[str, str]
"""`(request, source)`."""


class DeferredOrders:
    """For how long: one run of `apply`, or a minute of a process that goes on.

    A failure that says when to try again, and says so in good time, rests by itself.
    """

    def __init__(self, seconds: float = WAITING_AGAIN.total_seconds()) -> None:
        self._seconds = seconds
        self._since: dict[Key, float] = {}
        self._failed: set[Key] = set()

    def note(self, deliveries: Iterable[Delivery]) -> None:
        """Let what was tried rest."""
        for each in deliveries:
            retry_at = each.error.retry_at if isinstance(each.error, SourceError) else None
            failed = retry_at is not None and retry_at <= each.at
            if failed or each.chain is not None:
                self._since[each.obtain.key] = time.monotonic()
            if failed:
                self._failed.add(each.obtain.key)

    @property
    def keys(self) -> frozenset[Key]:
        """What rests now."""
        until = time.monotonic() - self._seconds
        self._since = {key: since for key, since in self._since.items() if since > until}
        return frozenset(self._since)

    @property
    def failed(self) -> bool:
        """Whether something rests that has failed, and that another run would try."""
        return bool(self._failed & self.keys)
