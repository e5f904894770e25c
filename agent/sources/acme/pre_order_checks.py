"""Whether the CA is worth asking: it allows one more order, and nothing that can be seen beforehand stands against it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.errors import OrderCancelled
from agent.errors.limits import LimitError
from agent.errors.preflight import PreflightStopped
from agent.sources.acme.client import CaProblem, CaUnreachable
from agent.sources.acme.problems import next_try
from agent.sources.acme.steps import OrderStep
from agent.system.addresses import own_addresses

if TYPE_CHECKING:
    from agent.contract.source import OrderContext
    from agent.model.need import Request
    from agent.sources.acme.ca_context import CaContext
    from agent.sources.acme.order_placement import OrderPlacement
    from agent.sources.acme.resources import Account
    from agent.sources.acme.source import AcmeSource

STOPPED, ASKED = "preflight stopped", "asked in spite of the preflight"
"""In the ledger, for a request."""
REMEMBERED = timedelta(days=7)
DAY = timedelta(days=1)


class PreOrderChecks:
    """What one request has to pass before it is ordered."""

    def __init__(
        self, source: AcmeSource, ca: CaContext, account: Account, request: Request, session: OrderContext
    ) -> None:
        self._source = source
        self._ca = ca
        self._client = ca.client.serving(session)
        self._account = account
        self._request = request
        self._session = session
        self._overruled = session.forced

    def allowed(self, placement: OrderPlacement) -> bool:
        """Return whether the CA exempts the order from its limits. Raises `LimitError` if it's none and one is reached.

        An order is exempt that replaces a chain inside the window that the CA suggests (RFC 9773); it's only asked for the
        window where that makes a difference.
        """
        names, now = self._request.names, self._session.now()
        try:
            self._ca.limits.check(names, now, renewal=placement.renewal)
        except LimitError:
            if not self._in_window(placement.replaces):
                raise
            self._ca.limits.check(names, now, exempt=True)
            return True
        return False

    def look(self) -> None:
        """Look at DNS, CAA and the clock. Raises `PreflightStopped` where the CA would be asked in vain."""
        if not self._source.preflight or self._session.forced:
            return
        self._session.progress(OrderStep.PREFLIGHT, "looking at DNS and CAA")
        found = self._ca.preflight.examine(
            sorted(self._request.names),
            identities=self._client.directory().caa_identities,
            account_url=self._account.url,
            addresses=own_addresses(),
            skew=self._client.skew,
            now=self._session.now(),
            private_ca=self._source.private,
            cancelled=lambda: self._session.cancelled,
        )
        if self._session.cancelled:
            raise OrderCancelled(self._source.name)
        for each in found.warnings:
            self._session.progress(OrderStep.PREFLIGHT, each.cause)
        if found.stops:
            retry_at = self.retry_at
            if not self.overruled():
                raise PreflightStopped(found.stops, retry_at)

    @property
    def retry_at(self) -> datetime:
        """When to try again where the CA would be asked in vain: soon, then later, and when it's to be asked all the same."""
        now = self._session.now()
        stopped, since = self._stops(now)
        return min(next_try(len(stopped), now), since + DAY)

    def overruled(self) -> bool:
        """Whether the CA is asked although that is in vain as far as can be seen: what is seen here may be wrong.

        So it is where a person insists, and once a day.
        """
        now, subject = self._session.now(), self._request.id
        if not self._overruled and now - self._stops(now)[1] >= DAY:
            self._overruled = True
            self._session.ledger.note(ASKED, [subject])
            self._session.progress(
                OrderStep.PREFLIGHT, "it has been stopped for a day, so the CA is asked all the same"
            )
        elif not self._overruled:
            self._session.ledger.note(STOPPED, [subject])
        return self._overruled

    def _stops(self, now: datetime) -> tuple[list[datetime], datetime]:
        """Return when the request was stopped since the CA was last asked in spite of it, and since when that counts."""
        ledger, subject = self._session.ledger, self._request.id
        stopped = ledger.instants(STOPPED, subject, now - REMEMBERED)
        asked = ledger.instants(ASKED, subject, now - REMEMBERED)
        since = asked[-1] if asked else stopped[0] if stopped else now
        return [at for at in stopped if at >= since], since

    def _in_window(self, certificate: str) -> bool:
        if not certificate:
            return False
        try:
            window = self._client.renewal_info(certificate)
        except (CaProblem, CaUnreachable):
            return False
        return window is not None and window.start <= self._session.now() < window.end
