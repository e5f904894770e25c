"""An order (RFC 8555 section 7.1.3): from the account to the chain, and on after a crash at any point."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agent.errors import OrderCancelled
from agent.errors.order import ChainUnexpected, OrderUnfinished
from agent.sources.acme.authorizations import Authorizations
from agent.sources.acme.ca_context import ca_context_of
from agent.sources.acme.chain_preference import preferred
from agent.sources.acme.client import CaProblem, CaUnreachable
from agent.sources.acme.delivery_checks import NotAsOrdered, verified
from agent.sources.acme.order_placement import OrderPlacement
from agent.sources.acme.pre_order_checks import PreOrderChecks
from agent.sources.acme.problems import next_try
from agent.sources.acme.steps import OrderStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.contract.source import OrderContext
    from agent.errors import SourceError
    from agent.model.need import Request
    from agent.pki.chain import Chain
    from agent.sources.acme.ca_context import CaContext
    from agent.sources.acme.order_placement import Placed
    from agent.sources.acme.resources import Order
    from agent.sources.acme.rhythm import Rhythm
    from agent.sources.acme.saved_order import SavedOrder
    from agent.sources.acme.source import AcmeSource

PATIENCE = 300.0
"""Seconds that one try takes at most; what isn't done then goes on in the next."""
OVER = frozenset({"pending", "invalid"})
"""States in which an order whose names were looked at brings nothing more (RFC 8555 section 7.1.6)."""


def obtain(source: AcmeSource, request: Request, session: OrderContext, *, patience: float = PATIENCE) -> Chain:
    """Return a chain for `request`. Raises `agent.errors.SourceError`; `patience` in seconds."""
    ca = ca_context_of(source, session)
    with ca.order_locks.taken(request.names, session):
        try:
            return _tried_twice(source, ca, request, session, patience)
        except (CaProblem, CaUnreachable) as error:
            names, now, attempts = request.names, session.now(), session.attempts
            raise ca.translated(error, names, now, attempts=attempts) from error


def _tried_twice(source: AcmeSource, ca: CaContext, request: Request, session: OrderContext, patience: float) -> Chain:
    """Try once more where the CA did not know the account any more and does now."""
    try:
        return Ordering(source, ca, request, session, patience).chain()
    except CaProblem as error:
        if not ca.recovered(error, session):
            raise
    return Ordering(source, ca, request, session, patience).chain()


class Ordering:
    """One try to get one request's chain."""

    def __init__(
        self,
        source: AcmeSource,
        ca: CaContext,
        request: Request,
        session: OrderContext,
        patience: float,
    ) -> None:
        account = ca.account(session)
        self._source = source
        self._ca = ca
        self._client = ca.client.serving(session)
        self._request = request
        self._session = session
        self._patience = patience
        self._deadline = time.monotonic() + patience
        self._checks = PreOrderChecks(source, ca, account, request, session)
        self._answers = ca.answers
        self._authorizing = Authorizations(self._client, self._answers, self._checks, source.ca)
        self._placement = OrderPlacement(source, ca, account, request, session)

    def chain(self) -> Chain:
        """Return the chain. Raises `CaProblem`, `CaUnreachable`, and `SourceError` where nothing has to be translated."""
        resumed, exempt = self._resumed(), False
        if resumed is None:
            exempt = self._checks.allowed(self._placement)
            self._checks.look()
        names, renewal, limits = self._request.names, self._placement.renewal, self._ca.limits
        begun = resumed is not None
        with limits.order(names, self._session.now(), exempt=exempt, renewal=renewal, begun=begun):
            saved, order = resumed or self._placement.placed()
            counted = order.status == "valid"
            order = self._completed(order, saved)
            if not counted:  # whatever becomes of the chain: the CA has issued it
                limits.note_issued(names, exempt=exempt, renewal=renewal)
            chain = self._delivered(order, saved)
        self._placement.remember(chain)
        self._ca.keep_rhythms(self._session)
        return chain

    def _resumed(self) -> Placed | None:
        resumed = self._placement.resumed()
        if resumed and resumed[1].status == "invalid":  # while nobody looked
            self._failure(resumed[1])
            return None
        return resumed

    # From state to state (RFC 8555 section 7.1.6)

    def _completed(self, order: Order, saved: SavedOrder) -> Order:
        while order.status != "valid":
            order = self._advanced(order, saved)
        return order

    def _advanced(self, order: Order, saved: SavedOrder) -> Order:
        if order.status == "pending":
            return self._proved(order)
        if order.status == "ready":
            return self._finalized(order, saved)
        if order.status == "processing":
            return self._watched(order, self._ca.issuing)
        raise self._failure(order)

    def _proved(self, order: Order) -> Order:
        with self._answers.serving():
            looked_at = self._authorizing.answer(order)
            self._session.progress(
                OrderStep.CHALLENGES, f"the CA looks at {looked_at} of {len(order.authorizations)} names"
            )
            order = self._watched(order, self._ca.validating, self._authorizing.given_up)
            if order.status in OVER:  # answered for still: the other names are looked at to their end
                raise self._failure(order)
        self._authorizing.clean_up()
        self._session.progress(OrderStep.VALIDATED, "the CA is content with every name")
        return order

    def _finalized(self, order: Order, saved: SavedOrder) -> Order:
        self._session.progress(OrderStep.FINALIZING, "the CA has the signing request")
        finalized = self._client.finalize(order, saved.csr_der)
        if finalized.status == order.status:  # it was not ready after all, and then it was: not again at once
            self._pause(1.0)
        return finalized

    def _watched(self, order: Order, rhythm: Rhythm, given_up: Callable[[], bool] = lambda: False) -> Order:
        """Look at an order until its state changes, or `given_up` says that it won't."""
        before, began, pauses = order.status, time.monotonic(), rhythm.pauses()
        looked = done = 0.0
        while order.status == before and not given_up():
            self._pause(pauses.next(order.retry_after))
            looked, done = done, time.monotonic() - began
            order = self._client.order(order.url)
        if order.status not in OVER:
            rhythm.learn(done if pauses.obeyed else looked, done)
        return order

    def _pause(self, seconds: float) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            retry_at = next_try(self._session.attempts, self._session.now())
            raise OrderUnfinished(self._source.ca, self._patience / 60, retry_at)
        self._wait(min(seconds, left))

    def _wait(self, seconds: float) -> None:
        self._session.wait(seconds)
        if self._session.cancelled:
            raise OrderCancelled(self._source.name)

    # Its end

    def _failure(self, order: Order) -> SourceError:
        """Note whose validation has failed, let the next try begin anew, and return why."""
        problem, passed = self._authorizing.verdict(order, self._wait)
        self._authorizing.clean_up()
        self._ca.limits.note_failures([each.name for each in problem.subproblems])
        self._placement.forget()
        error, names, now = CaProblem(problem, url=order.url), self._request.names, self._session.now()
        return self._ca.translated(error, names, now, attempts=self._session.attempts, passed=passed)

    def _delivered(self, order: Order, saved: SavedOrder) -> Chain:
        try:
            issued = self._client.issued(order.certificate)
            default = self._verified(issued.pem, saved)
        except NotAsOrdered as error:
            self._placement.forget()
            retry_at = next_try(self._session.attempts, self._session.now())
            raise ChainUnexpected(self._source.ca, error.reason, retry_at, error.detail) from error
        chain, said = preferred(
            self._source.preferred_chain, default, issued.alternates, lambda url: self._alternate(url, saved)
        )
        until = f"a chain until {chain.usable_until:%Y-%m-%d}"
        self._session.progress(OrderStep.DOWNLOADED, f"{until}; {said}" if said else until)
        return chain

    def _alternate(self, url: str, saved: SavedOrder) -> Chain:
        try:
            return self._verified(self._client.alternate(url), saved)
        except (CaProblem, CaUnreachable) as error:
            raise NotAsOrdered("it can't be downloaded", str(error)) from error

    def _verified(self, pem: str, saved: SavedOrder) -> Chain:
        return verified(pem, saved.private_key, self._request, self._session.now())
