"""What a CA says, read from JSON into `resources`. Strict about what is needed, lenient about the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent.sources.acme.failures import CaUnreachable
from agent.sources.acme.resources import (
    Account,
    Authorization,
    Challenge,
    Directory,
    Issued,
    Order,
    ProblemDocument,
    RenewalInfo,
    plain_type,
)
from agent.sources.acme.retry_after import polled

if TYPE_CHECKING:
    from agent.sources.acme.response import Response

LONGEST_DETAIL = 2000
"""Characters of a CA's words that are kept."""
NEEDED = ("newNonce", "newAccount", "newOrder")
"""Without these nothing can be ordered (RFC 8555 section 7.1.1)."""


def directory_of(answer: Response, url: str) -> Directory:
    """Read a directory (RFC 8555 section 7.1.1). Raises `CaUnreachable`."""
    body = answer.json
    urls = {key: value for key, value in body.items() if isinstance(value, str)}
    missing = [name for name in NEEDED if name not in urls]
    if missing:
        raise CaUnreachable(f"what stands there names no {missing[0]}", url=url, status=answer.status)
    meta = _mapping(body.get("meta"))
    profiles = meta.get("profiles")
    return Directory(
        url=url,
        urls=urls,
        terms=_text(meta.get("termsOfService")),
        website=_text(meta.get("website")),
        caa_identities=_texts(meta.get("caaIdentities")),
        external_account_required=meta.get("externalAccountRequired") is True,
        profiles={name: _text(text) for name, text in profiles.items()} if isinstance(profiles, dict) else None,
    )


def account_of(answer: Response, *, directory: str, thumbprint: str, url: str = "") -> Account:
    """Read an account (RFC 8555 section 7.1.2). Raises `CaUnreachable`."""
    body = answer.json
    return Account(
        directory=directory,
        url=url or answer.location,
        thumbprint=thumbprint,
        contact=_texts(body.get("contact")),
        status=_text(body.get("status")) or "valid",
    )


def order_of(answer: Response, url: str = "") -> Order:
    """Read an order (RFC 8555 section 7.1.3); a new one says itself where it is. Raises `CaUnreachable`."""
    body = answer.json
    return Order(
        url=url or answer.location,
        status=_required(body, "status", answer),
        names=tuple(_text(_mapping(each).get("value")).lower() for each in _list(body.get("identifiers"))),
        authorizations=_texts(body.get("authorizations")),
        finalize=_required(body, "finalize", answer),
        certificate=_text(body.get("certificate")),
        expires=_moment(body.get("expires")),
        error=_problem_in(body),
        profile=_text(body.get("profile")),
        retry_after=polled(answer.retry_after),
    )


def authorization_of(answer: Response, url: str) -> Authorization:
    """Read an authorization (RFC 8555 section 7.1.4). Raises `CaUnreachable`."""
    body = answer.json
    return Authorization(
        url=url,
        name=_text(_mapping(body.get("identifier")).get("value")).lower(),
        status=_required(body, "status", answer),
        challenges=tuple(_challenge(each) for each in _list(body.get("challenges")) if isinstance(each, dict)),
        wildcard=body.get("wildcard") is True,
        expires=_moment(body.get("expires")),
        retry_after=polled(answer.retry_after),
    )


def challenge_of(answer: Response) -> Challenge:
    """Read a challenge (RFC 8555 section 7.1.5). Raises `CaUnreachable`."""
    return _challenge(answer.json)


def _challenge(body: Mapping[str, Any]) -> Challenge:
    return Challenge(
        url=_text(body.get("url")),
        type=_text(body.get("type")),
        token=_text(body.get("token")),
        status=_text(body.get("status")),
        error=_problem_in(body),
    )


def issued_of(answer: Response) -> Issued:
    """Read a certificate that was downloaded (RFC 8555 section 7.4.2)."""
    return Issued(answer.content.decode("ascii", "replace"), answer.links("alternate"))


def renewal_info_of(answer: Response) -> RenewalInfo:
    """Read what a CA suggests for a renewal (RFC 9773 section 4.2). Raises `CaUnreachable`."""
    body = answer.json
    window = _mapping(body.get("suggestedWindow"))
    start, end = _moment(window.get("start")), _moment(window.get("end"))
    if start is None or end is None or end <= start:
        raise CaUnreachable(
            "the window that it suggests for the renewal has no sense", url=answer.url, status=answer.status
        )
    return RenewalInfo(start, end, _text(body.get("explanationURL")), answer.retry_after)


def problem_of(body: Mapping[str, Any], *, status: int = 0, terms: str = "") -> ProblemDocument:
    """Read a problem document (RFC 9457, with the subproblems of RFC 8555 section 6.7.1); nothing in it is required."""
    return ProblemDocument(
        type=plain_type(_text(body.get("type")) or "about:blank"),
        detail=_words(body.get("detail")) or _words(body.get("title")) or _words(body.get("message")),
        name=_text(_mapping(body.get("identifier")).get("value")).lower(),
        subproblems=tuple(problem_of(each) for each in _list(body.get("subproblems")) if isinstance(each, dict)),
        instance=_words(body.get("instance")) or terms,
        status=status,
    )


def _problem_in(body: Mapping[str, Any]) -> ProblemDocument | None:
    error = body.get("error")
    return problem_of(error) if isinstance(error, dict) else None


def _required(body: Mapping[str, Any], key: str, answer: Response) -> str:
    if text := _text(body.get(key)):
        return text
    raise CaUnreachable(f"its answer lacks {key}", url=answer.url, status=answer.status)


def _moment(value: object) -> datetime | None:
    """RFC 3339, UTC; Go's CAs write nine digits of a second."""
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _words(value: object) -> str:
    """One line that a terminal and a log can take."""
    line = " ".join(_text(value).split())[:LONGEST_DETAIL]
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(each for each in _list(value) if isinstance(each, str))


def _list(value: object) -> Iterable[Any]:
    return value if isinstance(value, list) else ()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
