"""Whether the CA is worth asking: it allows one more order, and nothing that can be seen beforehand speaks against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.errors import OrderCancelled
from agent.errors.limits import LimitError
from agent.errors.preflight import PreflightStopped
from agent.model.pause import AHEAD
from agent.sources.acme.failures import CaProblem, CaUnreachable
from agent.sources.acme.problems import next_try
from agent.sources.acme.steps import OrderStep

if TYPE_CHECKING:
    from agent.errors import SourceError
    from agent.sources.acme.order_placement import OrderPlacement
    from agent.sources.acme.order_task import OrderTask
    from agent.sources.acme.preflight import Finding

STOPPED, ASKED = "preflight stopped", "asked in spite of the preflight"
"""In the ledger, for a request."""
REMEMBERED = timedelta(days=7)
DAY = timedelta(days=1)


class PreOrderChecks:
    """What one request has to pass before it is ordered."""

    def __init__(self, task: OrderTask) -> None:
        self._source = task.source
        self._ca = task.ca
        self._account = task.account
        self._request = task.request
        self._context = task.context
        self._asked_anyway = task.context.forced
        self._instants: dict[str, list[datetime]] = {}
        """What was noted of the request, as far as it was read: nobody else orders for it meanwhile."""

    def allowed(self, placement: OrderPlacement) -> bool:
        """Return whether the CA exempts the order from its limits. Raises `LimitError` if it's none and one is reached.

        An order is exempt that replaces a chain inside the window that the CA suggests (RFC 9773); it's only asked for the
        window where that makes a difference.
        """
        names, now = self._request.names, self._context.now()
        try:
            self._ca.limits.check(names, now, renewal=placement.renewal)
        except LimitError:
            if not self._in_window(placement.replaces):
                raise
            self._ca.limits.check(names, now, exempt=True)
            return True
        return False

    def look(self, methods: Callable[[str], Sequence[str]]) -> Sequence[Finding]:
        """Look at DNS, CAA and the clock; return what speaks against some of a name's `methods`.

        Raises `PreflightStopped` where the order is certain to fail.
        """
        if not self._source.preflight or self._context.forced:
            return ()
        self._context.progress(OrderStep.PREFLIGHT, "looking at DNS and CAA")
        found = self._ca.examine(self._request.names, methods, self._account, self._context)
        if self._context.cancelled:
            raise OrderCancelled(self._source.name)
        for each in found.warnings:
            self._context.progress(OrderStep.PREFLIGHT, each.cause)
        if found.stops:
            self.stop(PreflightStopped(found.stops, self.retry_at))
        return found.bars

    @property
    def retry_at(self) -> datetime:
        """When to try again where the order is certain to fail: soon, then later, and when the CA is asked all the same."""
        now = self._context.now()
        stopped, since = self._stops(now)
        return min(next_try(len(stopped), now), since + DAY)

    @property
    def overruled(self) -> bool:
        """Whether the CA is asked although the order fails as far as can be seen: what is seen here may be wrong.

        So it is where a person insists, and once a day.
        """
        now = self._context.now()
        return self._asked_anyway or now - self._stops(now)[1] >= DAY

    def stop(self, error: SourceError) -> None:
        """Raise `error`, unless the CA is asked all the same; note which it is."""
        if not self.overruled:
            self._note(STOPPED)
            raise error
        if not self._asked_anyway:
            self._asked_anyway = True
            self._note(ASKED)
            self._context.progress(
                OrderStep.PREFLIGHT, "it has been stopped for a day, so the CA is asked all the same"
            )

    def _stops(self, now: datetime) -> tuple[list[datetime], datetime]:
        """Return when the request was stopped since the CA was last asked in spite of it, and since when that counts."""
        stopped, asked = self._noted(STOPPED, now), self._noted(ASKED, now)
        since = asked[-1] if asked else stopped[0] if stopped else now
        return [at for at in stopped if at >= since], since

    def _noted(self, kind: str, now: datetime) -> list[datetime]:
        if kind not in self._instants:
            self._instants[kind] = self._context.ledger.instants(kind, self._request.id, now - REMEMBERED)
        return [at for at in self._instants[kind] if at <= now + AHEAD]

    def _note(self, kind: str) -> None:
        self._context.ledger.note(kind, [self._request.id])
        self._instants.pop(kind, None)

    def _in_window(self, certificate: str) -> bool:
        if not certificate:
            return False
        try:
            window = self._ca.client.renewal_info(self._context, certificate)
        except (CaProblem, CaUnreachable):
            return False
        return window is not None and window.start <= self._context.now() < window.end
