"""Sources of the ladder over a simulated CA: the built-in one for ACME with another way of asking, and one of a plugin."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ClassVar

from agent.contract.source import Due, Offer, OrderContext, RequestState, Source, SourceContext, Watch
from agent.errors.acme import CaUnreached, RateLimited
from agent.model.need import Request
from agent.pki.chain import Chain
from agent.planning.renewal import renewal_instant
from agent.sources.acme.failures import CaUnreachable, Trouble
from agent.sources.acme.messages import RenewalInfo
from agent.sources.acme.problems import next_try
from agent.sources.acme.renewal_inquiry import inquire
from agent.sources.acme.source import AcmeSource
from timemachine.ca import Authority, Outage

ASK_AGAIN = 86400.0
"""Seconds between two inquiries about a renewal, as the CA wants it: a day is the most that the agent lets it say."""
TrueTime = Callable[[], datetime]


def lifetime_of(name: str) -> timedelta:
    """Return what the CAs give a name: its first label begins with a letter and the days."""
    found = re.match(r"[a-z](\d+)", name)
    assert found is not None
    return timedelta(days=int(found[1]))


class Asked:
    """A CA as a source asks it, once at an instant."""

    def __init__(self, authority: Authority, at: datetime) -> None:
        """`at`: the true time."""
        self.authority = authority
        self.at = at

    def obtain(self, request: Request, context: OrderContext) -> Chain:
        """Order a chain. Raises what the built-in source raises."""
        names = sorted(request.names)
        context.save({"names": names})
        context.progress("ordered")
        outage = self.authority.outage(self.at)
        if outage is not None:
            self.authority.note(names, self.at, fulfilled=False)
            raise self._refusal(outage, context, names[0])
        chain = self.authority.sign(names, self.at, lifetime_of(names[0]))
        self.authority.note(names, self.at, fulfilled=True)
        context.progress("issued")
        return chain

    def _refusal(self, outage: Outage, context: OrderContext, name: str) -> CaUnreached | RateLimited:
        title, now = self.authority.title, context.now()
        if outage.kind == "limited":
            wait = min(outage.end - self.at, timedelta(days=2))
            return RateLimited(title, "too many certificates", now + wait)
        chance = random.Random(f"{self.authority.seed} {name} {self.at}")
        retry_at = next_try(context.attempts, now, chance.random)
        return CaUnreached(title, "ca.example.net", "connection refused", retry_at)

    def inquire(self, chain: Chain, watch: Watch | None, now: datetime) -> Watch:
        """Ask when a chain is to be renewed."""
        return inquire(
            lambda _: self._window(chain), chain, watch, now, random.Random(f"{self.authority.seed} {chain.id}")
        )

    def _window(self, chain: Chain) -> RenewalInfo | None:
        if self.authority.outage(self.at):
            raise CaUnreachable("connection refused", url="https://ca.example.net/", trouble=Trouble.NETWORK)
        window = self.authority.window(chain.id)
        return RenewalInfo(*window, "", ASK_AGAIN) if window else None


class SimulatedAcme(AcmeSource):
    """The built-in source, whose CA is simulated: what it offers, when it renews and how it reads answers is its own."""

    authority_asked: ClassVar[Authority]
    true_time: ClassVar[TrueTime]
    uses_account_key: ClassVar[bool] = False

    def obtain(self, request: Request, context: OrderContext) -> Chain:
        """Order a chain."""
        return self._asked.obtain(request, context)

    def inquire(self, chain: Chain, watch: Watch | None, context: SourceContext) -> Watch | None:
        """Ask when a chain is to be renewed."""
        return self._asked.inquire(chain, watch, context.now())

    @property
    def _asked(self) -> Asked:
        return Asked(type(self).authority_asked, type(self).true_time())


class Company(Source):
    """Source of a plugin: the CA of a company, which says nothing of renewals."""

    name: ClassVar[str] = "company"
    title: ClassVar[str] = "Company CA"
    authority_asked: ClassVar[Authority]
    true_time: ClassVar[TrueTime]
    raises: ClassVar[Callable[[], str]]
    """Returns which of its methods raises now; empty: none."""

    def offers(self, request: Request, state: RequestState) -> Offer:
        """Serve every name."""
        self._may_raise("offers")
        return Offer(serves=all(name.startswith("c") for name in request.names), reason="not a name of the company")

    def due(self, request: Request, state: RequestState, now: datetime) -> Due:
        """Renew when a third is left."""
        self._may_raise("due")
        if state.chain is None:
            return Due(at=now, reason="there is none yet")
        return Due(at=renewal_instant(state.chain.not_before, state.chain.not_after), reason="a third is left")

    def obtain(self, request: Request, context: OrderContext) -> Chain:
        """Order a chain."""
        self._may_raise("obtain")
        return Asked(type(self).authority_asked, type(self).true_time()).obtain(request, context)

    def _may_raise(self, method: str) -> None:
        if type(self).raises() == method:
            raise RuntimeError(f"{method} is broken")


def sources_of(
    authority: Authority, company: Authority, true_time: TrueTime, raises: Callable[[], str]
) -> tuple[type[Source], type[Source]]:
    """Return classes bound to the CAs of one story."""
    acme = type("BoundAcme", (SimulatedAcme,), {"authority_asked": authority, "true_time": staticmethod(true_time)})
    own = type(
        "BoundCompany",
        (Company,),
        {"authority_asked": company, "true_time": staticmethod(true_time), "raises": staticmethod(raises)},
    )
    return acme, own
