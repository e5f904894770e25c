"""It is not known whether a chain was revoked. Notes only: a chain is not taken out of service because of that."""

from __future__ import annotations

from datetime import datetime

from agent.errors.name import quoted
from agent.errors.source import SourceError

KEPT = "The chain stays in service."


class CrlError(SourceError):
    """A list of revoked certificates (RFC 5280 section 5) could not be looked at."""

    code = "source.crl"


class CrlUnreachable(CrlError):
    """The list could not be fetched."""

    code = "source.crl_unreachable"

    def __init__(self, url: str, reason: str, retry_at: datetime, detail: str = "") -> None:
        super().__init__(
            f"Whether a chain was revoked is not known: the CA's list can't be fetched from {quoted(url)}: {reason}.",
            where="CRL",
            fix="Let the appliance reach that address; without, nothing else is missing.",
            effect=KEPT,
            retry_at=retry_at,
            detail=detail,
        )


class CrlRefused(CrlError):
    """What was fetched says nothing that could be relied on."""

    code = "source.crl_refused"

    def __init__(self, url: str, reason: str, retry_at: datetime, detail: str = "") -> None:
        super().__init__(
            f"Whether a chain was revoked is not known: the CA's list at {quoted(url)} is of no use: {reason}.",
            where="CRL",
            fix="It's the CA that has to mend it, if the appliance's clock is right: date",
            effect=KEPT,
            retry_at=retry_at,
            detail=detail,
        )
