"""Why an order of a CA that can be talked to did not become a chain, or none that is stored."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import cached_property

from agent.errors.acme import PROFILE, AcmeError
from agent.errors.source import Elsewhere, SourceError


class OrderUnfinished(AcmeError):
    """The CA takes longer than anyone waits for it."""

    code = "source.order_unfinished"
    elsewhere = Elsewhere.LASTING
    cause = "{ca} has not finished the order within {minutes:number} minutes."
    fix = "Nothing is lost: the same order goes on at the next try."
    ca: str
    minutes: float
    retry_at: datetime


class ChainUnexpected(SourceError):
    """A source delivered something else than was asked for; it is not used."""

    code = "source.chain_unexpected"
    elsewhere = Elsewhere.LASTING
    cause = "{authority} delivered a chain that is not what was asked for: {reason}."
    where = "{source}"
    fix = "It is not used, and tried again by itself; if it stays so, report it to {authority}."
    authority: str
    source: str
    reason: str
    retry_at: datetime
    detail: str = ""


class ChainRefused(SourceError):
    """A source delivered a chain that no client would accept; it is not used."""

    code = "source.chain_refused"
    elsewhere = Elsewhere.LASTING
    cause = "{authority} delivered a chain that clients refuse: {reason}."
    where = "{source}"
    fix = "It is not used, and tried again by itself; report it to {authority}, which has to issue it otherwise."
    authority: str
    source: str
    reason: str
    retry_at: datetime
    detail: str = ""


class ProfileMissing(AcmeError):
    """The settings insist on a profile that the CA does not offer."""

    code = "source.profile_missing"
    cause = "{ca} offers no profile {profile:quoted}; it offers {offered:sorted quoted or none at all}."
    fix = PROFILE
    ca: str
    profile: str
    offered: Collection[str]


class ChallengeMissing(AcmeError):
    """The CA wants a name proved in another way than any of those that the settings allow."""

    code = "source.challenge_missing"
    elsewhere = Elsewhere.AT_ONCE
    cause = "{ca} does not let {names:sorted few} be proved by {methods}; it offers {offered:sorted or nothing}."
    fix = "Ask its operator to allow one of them, or give these names to another source."
    ca: str
    names: Collection[str]
    methods: Collection[str]
    offered: Collection[str]

    @cached_property
    def failed(self) -> frozenset[str]:
        """Names that can't be proved."""
        return frozenset(self.names)
