"""It is not known whether a chain was revoked. Notes only: a chain is not taken out of service because of that."""

from __future__ import annotations

from datetime import datetime

from agent.errors.source import SourceError


class CrlError(SourceError):
    """A list of revoked certificates (RFC 5280 section 5) could not be looked at."""

    code = "source.crl"
    where = "CRL"
    effect = "The chain stays in service."


class CrlUnreachable(CrlError):
    """The list could not be fetched."""

    code = "source.crl_unreachable"
    cause = "Whether a chain was revoked is not known: the CA's list can't be fetched from {url:quoted}: {reason}."
    fix = "Let the appliance reach that address; without, nothing else is missing."
    url: str
    reason: str
    retry_at: datetime
    detail: str = ""


class CrlNotPublic(CrlError):
    """An upload names a list in a private network, or on the appliance itself: it isn't fetched."""

    code = "source.crl_not_public"
    cause = (
        "Whether a chain was revoked is not known: the CA's list at {url:quoted} was not fetched, as its address is not "
        "one of the Internet."
    )
    fix = "If it is a CA of yours, write in the settings: [fetch] private = true"
    url: str
    retry_at: datetime


class CrlRefused(CrlError):
    """What was fetched says nothing that could be relied on."""

    code = "source.crl_refused"
    cause = "Whether a chain was revoked is not known: the CA's list at {url:quoted} is of no use: {reason}."
    fix = "It's the CA that has to mend it, if the appliance's clock is right: date"
    url: str
    reason: str
    retry_at: datetime
    detail: str = ""
