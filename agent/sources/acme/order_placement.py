"""Placing an order (RFC 8555 section 7.4), or finding the one that a process before this one has placed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from agent.errors.order import ProfileMissing
from agent.sources.acme.client import certificate_id, offers_renewal_info
from agent.sources.acme.failures import CaProblem
from agent.sources.acme.saved_order import SavedOrder
from agent.sources.acme.steps import OrderStep
from agent.sources.acme.values import FOR_ADDRESSES
from agent.system.names import is_address

if TYPE_CHECKING:
    from agent.pki.chain import Chain
    from agent.sources.acme.messages import Order
    from agent.sources.acme.order_task import OrderTask

    Placed = tuple[SavedOrder, Order]

GONE = frozenset({401, 403, 404, 405, 410})
"""HTTP status of an order that the CA does not know any more, or not as ours."""
NO_SUCCESSOR = frozenset({"alreadyReplaced", "conflict", "malformed", "serverInternal", "unauthorized"})
"""Problems of an order that may be about what it replaces (RFC 9773 section 5) and nothing else. Pebble fails at some serials."""


def issued_entry(request: str) -> str:
    """Return where the source remembers who has issued the last chain of a request."""
    return f"issued for {request}"


def issued_state(chain: str, directory: str, account: str) -> dict[str, str]:
    """Return what it remembers: the chain's id, the CA's directory, and the URL of the account; empty: it isn't known."""
    return {"chain": chain, "directory": directory, "account": account}


class OrderPlacement:
    """One request's way to an order."""

    def __init__(self, task: OrderTask) -> None:
        self._source = task.source
        self._client = task.ca.client
        self._account = task.account
        self._request = task.request
        self._context = task.context
        self._saved = SavedOrder.read(task.context.saved, task.source.directory_url, task.account.url)

    def resumed(self) -> Placed | None:
        """Return the order that was placed before, if the CA still has it."""
        saved = self._saved
        if saved is None or not saved.url:
            return None
        order = self._still_there(saved)
        if order is None:
            self.forget()
            return None
        self._context.progress(OrderStep.ORDERED, f"the order goes on that was begun before, it is {order.status}")
        return saved, order

    def placed(self) -> Placed:
        """Return a new order. Its key and signing request are saved before the CA is asked, its URL at once after that."""
        profile = self._profile()
        saved = self._saved or self._new()
        self._context.save(saved.to_json())
        order = self._ordered(profile, self.replaces)
        self._saved = saved = saved.placed(order.url, self._context.now())
        self._context.save(saved.to_json())
        self._context.progress(OrderStep.ORDERED, f"{self._source.ca} has the order")
        return saved, order

    def _new(self) -> SavedOrder:
        key = self._context.key_for(self._request)
        return SavedOrder.new(self._request, key, self._source.directory_url, self._account.url)

    def forget(self) -> None:
        """Let the next order begin with a key of its own: this one is over."""
        self._saved = None
        self._context.save({})

    def refuse(self) -> None:
        """Note that what the order brought can't be used: it is downloaded once more before a new one is placed."""
        if self._saved is None or self._saved.refused:
            self.forget()
        else:
            self._context.save(replace(self._saved, refused=True).to_json())

    def delivered(self, chain: Chain) -> None:
        """Remember who has issued a chain, so that the next order can say that it replaces it.

        A chain that was delivered before and not stored was refused: after this second time, the next order is a new one.
        """
        if self._last.get("chain") == chain.id:
            self.forget()
        issued = issued_state(chain.id, self._source.directory_url, self._account.url)
        self._context.memory.write(self._key, issued)

    @property
    def renewal(self) -> bool:
        """Whether this CA has issued a chain for the request before."""
        return self._last.get("directory") == self._source.directory_url

    @cached_property
    def replaces(self) -> str:
        """What the CA calls the chain that the new one takes the place of (RFC 9773 section 5); empty: it's no use to say."""
        old = self._context.replaced
        if old is None or (self._last.get("chain"), self._last.get("account")) != (old.id, self._account.url):
            return ""
        return certificate_id(old.leaf) if offers_renewal_info(self._client.directory(self._context)) else ""

    @cached_property
    def _last(self) -> Mapping[str, Any]:
        return self._context.memory.read(self._key)

    @property
    def _key(self) -> str:
        return issued_entry(self._request.id)

    def _still_there(self, saved: SavedOrder) -> Order | None:
        """Return the order if it can be gone on with: one whose time is over stays pending or processing at some CAs."""
        try:
            order = self._client.order(self._context, saved.url)
        except CaProblem as refusal:
            if refusal.problem.status in GONE:
                return None
            raise
        return None if saved.is_over(order, self._context.now()) else order

    def _ordered(self, profile: str, replaces: str) -> Order:
        """Order, once more without what the CA doesn't accept and nobody insists on."""
        while True:
            try:
                return self._client.new_order(self._context, self._request.names, profile=profile, replaces=replaces)
            except CaProblem as refusal:
                kind = refusal.problem.type
                if kind == "invalidProfile" and profile and not self._source.profile_required:
                    profile = ""
                elif kind in NO_SUCCESSOR and replaces:
                    replaces = ""
                else:
                    raise

    def _profile(self) -> str:
        """Return the profile to ask for. Raises `ProfileMissing`."""
        wanted, offered = self._source.profile, self._client.directory(self._context).meta.profiles or {}
        if wanted is None:
            return FOR_ADDRESSES if FOR_ADDRESSES in offered and any(map(is_address, self._request.names)) else ""
        if wanted in offered:
            return wanted
        if self._source.profile_required:
            raise ProfileMissing(self._source.ca, wanted, offered)
        self._context.progress(
            OrderStep.PREFLIGHT, f"{self._source.ca} offers no profile {wanted}, so it chooses one itself"
        )
        return ""
