"""Messages of RFC 8555 (section 7.1), on top of `acme.messages`: what those lack, or read too strictly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from acme import messages
from josepy.json_util import field

LONGEST_DETAIL = 2000
"""Characters of a CA's words that are kept."""
MOST_SUBPROBLEMS = 100
"""One a name, and no CA takes more names."""
MOST_URLS = 2 * MOST_SUBPROBLEMS
"""A server may want more authorizations than there are names (RFC 8555 section 7.1.3)."""


@dataclass(frozen=True, slots=True)
class ProblemDocument:
    """A problem of the CA (RFC 9457), with RFC 8555's subproblems (section 6.7.1).

    `acme.messages.Error` has neither the HTTP status nor `instance`, and refuses the whole document for one identifier of
    a type that it doesn't know.
    """

    type: str
    """Without ``urn:ietf:params:acme:error:``: ``rateLimited``; the whole URI where it is another one."""
    detail: str
    name: str = ""
    """Identifier that it is about; empty: the whole request."""
    subproblems: tuple[ProblemDocument, ...] = ()
    instance: str = ""
    """URL that a person should read, for ``userActionRequired``."""
    status: int = 0
    """HTTP status; 0: it was part of an order or a challenge."""
    method: str = ""
    """Type of the challenge that it was part of; empty: of none."""


def problem_of(body: Mapping[str, Any], *, status: int = 0, terms: str = "") -> ProblemDocument:
    """Read a problem document; nothing in it is required. Subproblems have none of their own (RFC 8555 section 6.7.1)."""
    below = [each for each in _list(body.get("subproblems")) if isinstance(each, dict)][:MOST_SUBPROBLEMS]
    return replace(_problem(body, status=status, terms=terms), subproblems=tuple(_problem(each) for each in below))


def _problem(body: Mapping[str, Any], *, status: int = 0, terms: str = "") -> ProblemDocument:
    return ProblemDocument(
        type=(_text(body.get("type")) or "about:blank").removeprefix(messages.ERROR_PREFIX),
        detail=_words(body.get("detail")) or _words(body.get("title")) or _words(body.get("message")),
        name=_text(_mapping(body.get("identifier")).get("value")).lower(),
        instance=_words(body.get("instance")) or terms,
        status=status,
    )


def _problem_or_none(value: object) -> ProblemDocument | None:
    return problem_of(value) if isinstance(value, dict) else None


def moment(value: object) -> datetime | None:
    """Return the instant of a timestamp (RFC 3339), UTC; None: it is none. Without an offset it is taken for UTC."""
    try:
        found = datetime.fromisoformat(_text(value))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):  # a year that only its own time zone has
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def one_line(text: str, longest: int = LONGEST_DETAIL) -> str:
    """Return foreign text as one line that a terminal and a log can take."""
    line = " ".join(text.split())[:longest]
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


def _words(value: object) -> str:
    return one_line(_text(value))


def texts(value: object) -> tuple[str, ...]:
    """Return those of a list's members that are text."""
    return tuple(each for each in _list(value) if isinstance(each, str))


def _urls(value: object) -> tuple[str, ...]:
    """Return a list of URLs. Raises ValueError where they are more than there can be."""
    found = texts(value)
    if len(found) > MOST_URLS:
        raise ValueError(f"a list has {len(found)} members")
    return found


def _list(value: object) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else ()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


# In the classes below `status` is text: the library does not know ``expired`` (RFC 8555 section 7.1.6), and would refuse
# the message. `error` is a `ProblemDocument`. What is not in a message itself, but in a header, has a field too.


class DirectoryMeta(messages.Directory.Meta):
    """What a CA says of itself (RFC 8555 section 7.1.1), and of dns-persist-01."""

    account_hash_prefix: str = field("accountHashPrefix", decoder=_text, omitempty=True, default="")
    issuer_domain_names: Any = field("issuerDomainNames", omitempty=True)


class Directory(messages.Directory):
    """A CA's directory (RFC 8555 section 7.1.1)."""

    Meta = DirectoryMeta


class NewOrder(messages.NewOrder):
    """An order to be placed; the library has no ``replaces`` (RFC 9773 section 5)."""

    replaces: str = field("replaces", omitempty=True)


class Order(messages.Order):
    """An order (RFC 8555 section 7.1.3)."""

    url: str = field("url")
    retry_after: float | None = field("retryAfter", omitempty=True)
    """Seconds from now that the CA asks to wait before the next look."""
    status: str = field("status", decoder=_text)  # type: ignore[assignment]
    finalize: str = field("finalize", decoder=_text)
    certificate: str = field("certificate", decoder=_text, omitempty=True, default="")
    authorizations: tuple[str, ...] = field(  # type: ignore[assignment]
        "authorizations", decoder=_urls, omitempty=True, default=()
    )
    expires: datetime | None = field("expires", decoder=moment, omitempty=True)
    error: ProblemDocument | None = field("error", decoder=_problem_or_none, omitempty=True)  # type: ignore[assignment]

    @property
    def names(self) -> tuple[str, ...]:
        """Values of the identifiers."""
        return tuple(each.value.lower() for each in self.identifiers or ())


class Challenge(messages.ChallengeBody):
    """A challenge (RFC 8555 section 8)."""

    __slots__ = ("chall",)
    status: str = field("status", decoder=_text, omitempty=True, default="pending")  # type: ignore[assignment]
    error: ProblemDocument | None = field("error", decoder=_problem_or_none, omitempty=True)  # type: ignore[assignment]

    @property
    def type(self) -> str:
        """``http-01``, ``dns-01``, ..., also one that the library does not know."""
        return _text(self.chall.to_partial_json().get("type"))

    @property
    def token(self) -> str:
        """Random text that the answer begins with; empty: a challenge of this type has none."""
        return _text(self.chall.to_partial_json().get("token"))


class Authorization(messages.Authorization):
    """An authorization (RFC 8555 section 7.1.4)."""

    url: str = field("url")
    status: str = field("status", decoder=_text)  # type: ignore[assignment]
    expires: datetime | None = field("expires", decoder=moment, omitempty=True)
    challenges: tuple[Challenge, ...] = field(  # type: ignore[assignment]
        "challenges",
        decoder=lambda value: tuple(Challenge.from_json(each) for each in value),
        omitempty=True,
        default=(),
    )

    @property
    def name(self) -> str:
        """Value of the identifier, without ``*.``, which `wildcard` says."""
        return self.identifier.value.lower()


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate as it is downloaded: the default chain, and where the others are (RFC 8555 section 7.4.2)."""

    pem: str
    alternates: tuple[str, ...] = ()
    """URLs."""


@dataclass(frozen=True, slots=True)
class RenewalInfo:
    """What a CA suggests for a certificate's renewal (RFC 9773 section 4.2); the library keeps only the window."""

    start: datetime
    end: datetime
    explanation: str = ""
    """URL of a page on which the CA says why."""
    retry_after: float | None = None
    """Seconds until it's to be asked again."""


@dataclass(frozen=True, slots=True)
class Account:
    """The appliance's account at one CA (RFC 8555 section 7.1.2), as it is remembered."""

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
