"""Why an order of a CA that can be talked to did not become a chain."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from agent.errors.acme import WHERE, AcmeError, listed
from agent.errors.name import quoted


class OrderUnfinished(AcmeError):
    """The CA takes longer than anyone waits for it."""

    code = "source.order_unfinished"

    def __init__(self, ca: str, minutes: float, retry_at: datetime) -> None:
        super().__init__(
            f"{ca} has not finished the order within {minutes:g} minutes.",
            where=WHERE,
            fix="Nothing is lost: the same order goes on at the next try.",
            retry_at=retry_at,
        )


class ChainUnexpected(AcmeError):
    """The CA delivered something else than what was ordered; it is thrown away."""

    code = "source.chain_unexpected"

    def __init__(self, ca: str, reason: str, retry_at: datetime, detail: str = "") -> None:
        super().__init__(
            f"{ca} delivered a chain that is not what was ordered: {reason}.",
            where=WHERE,
            fix="It is not used, and ordered again; if that happens again, report it to the CA.",
            retry_at=retry_at,
            detail=detail,
        )


class ProfileMissing(AcmeError):
    """The settings insist on a profile that the CA does not offer."""

    code = "source.profile_missing"

    def __init__(self, ca: str, profile: str, offered: Collection[str]) -> None:
        known = ", ".join(quoted(each) for each in sorted(offered))
        super().__init__(
            f"{ca} offers no profile {quoted(profile)}; it offers {known or 'none at all'}.",
            where=WHERE,
            fix="Set profile in [acme] to one that it offers, or profile_required = false.",
        )


class ChallengeMissing(AcmeError):
    """The CA wants a name proved in another way than by HTTP-01."""

    code = "source.challenge_missing"

    def __init__(self, ca: str, names: Collection[str], offered: Collection[str]) -> None:
        super().__init__(
            f"{ca} does not let {listed(names)} be proved by HTTP-01; it offers {', '.join(sorted(offered)) or 'nothing'}.",
            where=WHERE,
            fix="Ask its operator to allow http-01, or give these names to another source.",
        )
        self.failed = frozenset(names)
