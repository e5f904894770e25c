"""An order (RFC 8555 section 7.1.3): from the account to the chain, and on after a crash at any point."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agent.errors import OrderCancelled
from agent.errors.order import ChainUnexpected, OrderUnfinished
from agent.pki.certificate import short
from agent.sources.acme.authorizations import Authorizations
from agent.sources.acme.ca_context import ca_context_of
from agent.sources.acme.chain_preference import preferred
from agent.sources.acme.challenge_windows import check_node
from agent.sources.acme.challenges.refusal import with_dns
from agent.sources.acme.delivered_chain import NotAsOrdered, read_delivery
from agent.sources.acme.failures import CaProblem, CaUnreachable, Trouble
from agent.sources.acme.order_placement import OrderPlacement
from agent.sources.acme.order_task import OrderTask
from agent.sources.acme.pre_order_checks import PreOrderChecks
from agent.sources.acme.problems import next_try
from agent.sources.acme.steps import OrderStep
from agent.system.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.contract.source import OrderContext
    from agent.errors import SourceError
    from agent.model.need import Request
    from agent.pki.chain import Chain
    from agent.sources.acme.delivered_chain import Delivered
    from agent.sources.acme.messages import Order
    from agent.sources.acme.order_placement import Placed
    from agent.sources.acme.saved_order import SavedOrder
    from agent.sources.acme.source import AcmeSource

TIME_LIMIT = 300.0
"""Seconds that one try takes at most; what isn't done then goes on in the next."""
FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.02, 10.0, 1.6
"""Seconds until the first look at an order, and between two later ones where the CA does not say; what a pause grows by."""
NOT_READY = "orderNotReady"
EARLY = 0.1
"""Seconds for which an order is looked at in spite of the CA's ``Retry-After``: many a CA asks for more than it takes."""
STATES = ("pending", "ready", "processing")
"""Those of an order that goes on, in their order (RFC 8555 section 7.1.6)."""
MOST_SETBACKS = 6
"""So often an order may come back to a state in one try: after 1, 2, 4, ... seconds it is gone on with, then the try fails."""
OK = 200
LOST = frozenset({OK, 404, 410})
"""HTTP status of answers about a part of an order that mean that it isn't there, or can't be read."""
OVER = frozenset({"pending", "invalid"})
"""States in which an order whose names were looked at brings nothing more (RFC 8555 section 7.1.6)."""


def obtain(source: AcmeSource, request: Request, context: OrderContext, *, time_limit: float = TIME_LIMIT) -> Chain:
    """Return a chain for `request`. Raises `agent.errors.SourceError`; `time_limit` in seconds.

    It's tried once more where the CA did not know the account any more and does now.
    """
    ca = ca_context_of(source, context)
    check_node(source.only_if, context)
    with ca.order_locks.taken(request.names, context):
        try:
            try:
                return Ordering(OrderTask(source, ca, ca.account(context), request, context), time_limit).chain()
            except CaProblem as error:
                if not ca.recovered(error, context):
                    raise
            return Ordering(OrderTask(source, ca, ca.account(context), request, context), time_limit).chain()
        except (CaProblem, CaUnreachable) as error:
            names, now, attempts = request.names, context.now(), context.attempts
            raise ca.translated(error, names, now, attempts=attempts) from error


class Ordering:
    """The states of one order, one after the other."""

    def __init__(self, task: OrderTask, time_limit: float) -> None:
        self._source = task.source
        self._ca = task.ca
        self._client = task.ca.client
        self._request = task.request
        self._context = task.context
        self._time_limit = time_limit
        self._deadline = time.monotonic() + time_limit
        self._setbacks = 0
        self._not_ready: CaProblem | None = None
        """Why the CA took no signing request for an order that it calls ready."""
        self._checks = PreOrderChecks(task)
        self._authorizations = Authorizations(task, self._checks)
        self._placement = OrderPlacement(task)

    def chain(self) -> Chain:
        """Return the chain. Raises `CaProblem`, `CaUnreachable`, and `SourceError` where nothing has to be translated."""
        try:
            return self._chain()
        except (CaProblem, CaUnreachable) as error:
            if self._context.attempts and _is_lost(error):
                self._placement.refuse()
            raise
        finally:
            self._authorizations.clean_up()

    def _chain(self) -> Chain:
        resumed, exempt = self._resumed(), False
        if resumed is None:
            exempt = self._checks.allowed(self._placement)
            self._authorizations.foresee(self._checks.look(self._authorizations.prospects.open_to))
        names, renewal, limits = self._request.names, self._placement.renewal, self._ca.limits
        begun = resumed is not None
        with limits.order(names, self._context.now(), exempt=exempt, renewal=renewal, begun=begun):
            saved, order = resumed or self._placement.placed()
            counted = order.status == "valid"
            while order.status != "valid":
                before, order = order.status, self._advanced(order, saved)
                if order.status in STATES and STATES.index(order.status) <= STATES.index(before):
                    self._set_back(order)
            if not counted:  # whatever becomes of the chain: the CA has issued it
                limits.note_issued(names, exempt=exempt, renewal=renewal)
            chain = self._delivered(order, saved)
        self._placement.delivered(chain)
        return chain

    def _resumed(self) -> Placed | None:
        resumed = self._placement.resumed()
        if resumed and resumed[1].status == "invalid":  # while nobody looked
            self._failure(resumed[1])
            return None
        return resumed

    # From state to state (RFC 8555 section 7.1.6)

    def _advanced(self, order: Order, saved: SavedOrder) -> Order:
        if order.status == "pending":
            return self._proved(order)
        if order.status == "ready":
            return self._finalized(order, saved)
        if order.status == "processing":
            return self._polled(order)
        if order.status == "invalid":
            raise self._failure(order)
        raise CaUnreachable(
            f'it calls the order "{printable(order.status, 40)}", which ACME does not know', url=order.url, status=OK
        )

    def _proved(self, order: Order) -> Order:
        looked_at = self._authorizations.answer(order)
        self._context.progress(
            OrderStep.CHALLENGES, f"the CA looks at {looked_at} of {len(order.authorizations)} names"
        )
        order = self._polled(order, self._authorizations.given_up)
        if order.status in OVER:  # answered for still: the other names are looked at to their end
            raise self._failure(order)
        self._authorizations.passed()
        self._context.progress(OrderStep.VALIDATED, "the CA is content with every name")
        return order

    def _finalized(self, order: Order, saved: SavedOrder) -> Order:
        self._context.progress(OrderStep.FINALIZING, "the CA has the signing request")
        try:
            return self._client.finalize(self._context, order, saved.signing_request)
        except CaProblem as refusal:
            if refusal.problem.type != NOT_READY:
                raise
            self._not_ready = refusal  # it was not ready after all, and then it was
            return order

    def _polled(self, order: Order, given_up: Callable[[Order, float], bool] = lambda _order, _seconds: False) -> Order:
        """Look at an order until its state changes, or `given_up` says that it won't."""
        before, began, pause = order.status, time.monotonic(), FIRST_PAUSE
        while order.status == before and not given_up(order, time.monotonic() - began):
            asked = order.retry_after if time.monotonic() - began > EARLY else None
            self._pause(pause if asked is None else asked)
            pause = min(pause * GROWTH, LONGEST_PAUSE)
            order = self._client.order(self._context, order.url)
        return order

    def _set_back(self, order: Order) -> None:
        """Wait ever longer before an order that got no further is gone on with. Raises what the CA said, or `CaUnreachable`."""
        self._setbacks += 1
        if self._setbacks <= MOST_SETBACKS:
            self._pause(2.0 ** (self._setbacks - 1))
        elif self._not_ready is not None:
            raise self._not_ready
        else:
            cause = f"it does not get on with the order, and calls it {order.status} again and again"
            raise CaUnreachable(cause, url=order.url, status=OK)

    def _pause(self, seconds: float) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            retry_at = next_try(self._context.attempts, self._context.now())
            raise OrderUnfinished(self._source.ca, self._time_limit / 60, retry_at)
        self._wait(min(seconds, left))

    def _wait(self, seconds: float) -> None:
        self._context.wait(seconds)
        if self._context.cancelled:
            raise OrderCancelled(self._source.name)

    # Its end

    def _failure(self, order: Order) -> SourceError:
        """Note whose validation has failed, let the next try begin with a new order, and return why."""
        problem, passed = self._authorizations.verdict(order, self._wait)
        self._ca.limits.note_failures([each.name for each in problem.subproblems])
        self._placement.forget()
        error, names, now = CaProblem(problem, url=order.url), self._request.names, self._context.now()
        told = self._ca.translated(error, names, now, attempts=self._context.attempts, passed=passed)
        return with_dns(told, self._authorizations.prospects)

    def _delivered(self, order: Order, saved: SavedOrder) -> Chain:
        if not order.certificate:
            cause = "it calls the order valid, but does not say where the certificate is"
            raise CaUnreachable(cause, url=order.url, status=OK)
        try:
            issued = self._client.issued(self._context, order.certificate)
            default = self._read(issued.pem, saved)
        except NotAsOrdered as error:
            self._placement.refuse()
            retry_at = next_try(self._context.attempts, self._context.now())
            raise ChainUnexpected(self._source.ca, self._source.name, error.reason, retry_at, error.detail) from error
        delivered, fulfilled = preferred(
            self._source.preferred_chain, default, issued.alternates, lambda url: self._alternate(url, saved)
        )
        until = [f"a chain until {delivered.chain.usable_until:%Y-%m-%d}"]
        if not fulfilled:
            until.append(self._without_wish(delivered))
            self._context.remark(until[-1])
        if delivered.mended:
            until.append(f"{self._source.ca} delivered it {delivered.mended}")
        self._context.progress(OrderStep.DOWNLOADED, "; ".join(until))
        return delivered.chain

    def _without_wish(self, taken: Delivered) -> str:
        wish, top = self._source.preferred_chain, short(taken.chain.presented[-1].issuer)
        return f'no chain of {self._source.ca} leads to "{wish}" (preferred_chain), so the one to "{top}" is taken'

    def _alternate(self, url: str, saved: SavedOrder) -> Delivered:
        if time.monotonic() >= self._deadline:
            raise NotAsOrdered("there is no time left to download it")
        try:
            return self._read(self._client.issued(self._context, url, resend=0).pem, saved)
        except (CaProblem, CaUnreachable) as error:
            raise NotAsOrdered("it can't be downloaded", str(error)) from error

    def _read(self, pem: str, saved: SavedOrder) -> Delivered:
        before = self._context.replaced
        earlier = before.intermediates if before else ()
        return read_delivery(pem, saved.private_key, self._context.anchors, earlier)


def _is_lost(error: CaProblem | CaUnreachable) -> bool:
    """Whether the CA has lost or garbled an order, or a part of it: each further try would come to the same.

    What is before a CA garbles everything for minutes, and then the order is there again: one failure says nothing.
    """
    if isinstance(error, CaProblem):
        return error.problem.status in LOST or error.problem.type == NOT_READY
    return error.trouble is Trouble.BROKEN and error.status in LOST
