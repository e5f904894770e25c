"""What a CA answers, as data: directory, account, order, authorization and challenge (RFC 8555 section 7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ProblemDocument:
    """A problem of the CA (RFC 9457), with RFC 8555's subproblems (section 6.7.1)."""

    type: str
    """Without ``urn:ietf:params:acme:error:``: ``rateLimited``; the whole URI where it is another one."""
    detail: str
    name: str = ""
    """Identifier that it is about; empty: the whole request."""
    subproblems: tuple[ProblemDocument, ...] = ()
    instance: str = ""
    """URL that a person should read, for ``userActionRequired``."""
    status: int = 0
    """HTTP status; 0: it stood in an order or a challenge."""


@dataclass(frozen=True, slots=True)
class Directory:
    """The CA's addresses and what it says of itself (RFC 8555 section 7.1.1)."""

    url: str
    urls: Mapping[str, str]
    """``newNonce``, ``newAccount``, ``newOrder``, ``revokeCert``, ``keyChange``, ``renewalInfo`` as far as they're there."""
    terms: str = ""
    """URL of the terms of service."""
    website: str = ""
    caa_identities: tuple[str, ...] = ()
    """What a CAA record must name to allow this CA (RFC 8659)."""
    external_account_required: bool = False
    profiles: Mapping[str, str] | None = None
    """Name -> description (draft-ietf-acme-profiles); None: the CA knows none."""


@dataclass(frozen=True, slots=True)
class Account:
    """The appliance's account at one CA (RFC 8555 section 7.1.2)."""

    directory: str
    """URL of the CA's directory."""
    url: str
    """The account's own, which is also its key id."""
    thumbprint: str
    """Of the account key that the CA knows it by."""
    contact: tuple[str, ...] = ()
    terms: str = ""
    """URL of the terms that were agreed to."""
    external_account: str = ""
    """Key id of the external account binding; empty: none."""
    status: str = "valid"
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An order (RFC 8555 section 7.1.3)."""

    url: str
    status: str
    """``pending``, ``ready``, ``processing``, ``valid`` or ``invalid``."""
    names: tuple[str, ...]
    authorizations: tuple[str, ...]
    """URLs."""
    finalize: str
    certificate: str = ""
    """URL; empty until it's valid."""
    expires: datetime | None = None
    error: ProblemDocument | None = None
    profile: str = ""
    retry_after: float | None = None
    """Seconds from now that the CA asks to wait before the next look."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge (RFC 8555 section 8)."""

    url: str
    type: str
    """``http-01``, ``dns-01``, ..."""
    token: str
    status: str
    error: ProblemDocument | None = None


@dataclass(frozen=True, slots=True)
class Authorization:
    """An authorization (RFC 8555 section 7.1.4)."""

    url: str
    name: str
    """Without ``*.``, which `wildcard` says."""
    status: str
    challenges: tuple[Challenge, ...]
    wildcard: bool = False
    expires: datetime | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class RenewalInfo:
    """What a CA suggests for a certificate's renewal (RFC 9773 section 4.2)."""

    start: datetime
    end: datetime
    explanation: str = ""
    """URL of a page on which the CA says why."""
    retry_after: float | None = None
    """Seconds until it's to be asked again."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate as it is downloaded: the default chain, and where the others are (RFC 8555 section 7.4.2)."""

    pem: str
    alternates: tuple[str, ...] = ()
    """URLs."""


def plain_type(uri: str) -> str:
    """Return a problem's type without RFC 8555's prefix."""
    return uri.removeprefix("urn:ietf:params:acme:error:")


def account_json(account: Account) -> dict[str, Any]:
    """Return an account as plain JSON types, for `agent.contract.source.Memory`."""
    return {
        "directory": account.directory,
        "url": account.url,
        "thumbprint": account.thumbprint,
        "contact": list(account.contact),
        "terms": account.terms,
        "external_account": account.external_account,
        "status": account.status,
        "created_at": account.created_at.isoformat() if account.created_at else None,
    }


def account_from(state: Mapping[str, Any]) -> Account:
    """Read what `account_json` wrote; what else is remembered beside it is left out."""
    created = state.get("created_at")
    return Account(
        **{
            **{each.name: state[each.name] for each in fields(Account)},
            "contact": tuple(state["contact"]),
            "created_at": datetime.fromisoformat(created) if created else None,
        }
    )
