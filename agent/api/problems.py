"""Errors as problem details (RFC 9457): the same sentences as everywhere, and a status for programs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agent.errors.api import (
    ApiError,
    ApiFailed,
    Busy,
    JobLost,
    JobUnknown,
    LoginNeeded,
    MethodUnknown,
    NoOwnPassword,
    NotConfirmed,
    NothingHere,
    NotTyped,
    PeerRefused,
    RequestTooLarge,
    RequestTooSlow,
)
from agent.errors.auth import (
    LoginRefused,
    NotAllowed,
    PasswordChangeNeeded,
    PeopleError,
    PersonUnknown,
    SessionEnded,
    TokenRefused,
    TokenUnknown,
    TooManyTries,
)
from agent.errors.chain import ChainError
from agent.errors.deploy import ChainGone
from agent.errors.name import NameInvalid
from agent.errors.operations import ChainInUse, HandError, NameNotCovered, NothingToReissue
from agent.errors.problem import AgentError, Problem
from agent.errors.root import ListMissing, PeerUnknown, RevokedBefore, RootError, RootMissing
from agent.errors.settings import SettingsError
from agent.errors.source import SourceError
from agent.errors.store import LockHeld, StoreError
from agent.errors.upload import UploadError
from agent.errors.usage import UnknownChain, UsageError

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:chainwright:problem:"
LATER = 5
"""Seconds after which what is busy may be asked again."""

STATUSES: dict[type[AgentError], int] = {
    ApiError: 400,
    LoginNeeded: 401,
    PeerRefused: 403,
    NoOwnPassword: 403,
    NothingHere: 404,
    JobUnknown: 404,
    MethodUnknown: 405,
    RequestTooSlow: 408,
    RequestTooLarge: 413,
    NotTyped: 422,
    NotConfirmed: 422,
    ApiFailed: 500,
    JobLost: 500,
    Busy: 503,
    PeopleError: 422,
    LoginRefused: 401,
    SessionEnded: 401,
    TokenRefused: 401,
    NotAllowed: 403,
    PasswordChangeNeeded: 403,
    PersonUnknown: 404,
    TokenUnknown: 404,
    TooManyTries: 429,
    UsageError: 422,
    UnknownChain: 404,
    ChainGone: 404,
    HandError: 409,
    NameNotCovered: 422,
    NothingToReissue: 422,
    NameInvalid: 422,
    UploadError: 422,
    ChainError: 422,
    RootError: 422,
    RootMissing: 404,
    ListMissing: 404,
    PeerUnknown: 404,
    RevokedBefore: 409,
    SourceError: 502,
    SettingsError: 503,
    StoreError: 503,
}
"""By class; the nearest one counts."""


def status_of(error: AgentError) -> int:
    """Return the HTTP status of an error; 500 for those that no request should cause."""
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)


def document(problem: Problem, status: int) -> dict[str, Any]:
    """Return the problem details: those of RFC 9457, and ours."""
    row = problem.to_json()
    return {"type": f"{TYPE}{problem.code}", "title": row.pop("cause"), "status": status, **row}


def details_of(error: AgentError) -> dict[str, Any]:
    """Return the problem details of an error, with what a program needs beyond the sentence."""
    return document(error.problem, status_of(error)) | _more(error)


def _more(error: AgentError) -> dict[str, Any]:
    if isinstance(error, ChainInUse):
        return {"users": list(error.users), "successors": list(error.successors)}
    return {"effects": list(error.effects)} if isinstance(error, NotConfirmed) else {}


def headers_of(error: AgentError, now: datetime) -> dict[str, str]:
    """Return the headers that go with an error."""
    status = status_of(error)
    if status == 401:
        return {"www-authenticate": "Bearer"}
    if isinstance(error, MethodUnknown):
        return {"allow": ", ".join(error.known)}
    if isinstance(error, LockHeld | Busy):
        return {"retry-after": str(LATER)}
    if error.retry_at is not None:
        return {"retry-after": str(max(1, round((error.retry_at - now).total_seconds())))}
    return {}
