"""Errors as problem details (RFC 9457): the same sentences as everywhere, and a status for programs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agent.errors import AgentError, Problem
from agent.errors.api import (
    ApiError,
    AuthenticationRequired,
    ConfirmationRequired,
    ConfirmationWordMissing,
    ContentTooLarge,
    InternalError,
    JobLost,
    JobNotFound,
    MethodNotAllowed,
    NoOwnPassword,
    NoOwnSession,
    NotFound,
    PeerForbidden,
    RequestTimeout,
    ServiceUnavailable,
)
from agent.errors.auth import (
    AuthError,
    InvalidCredentials,
    InvalidToken,
    OneTimePasswordEnded,
    PasswordChangeRequired,
    PasswordRequired,
    PasswordWrong,
    PermissionDenied,
    SessionExpired,
    TokenForbidden,
    TokenNotFound,
    TooManyChanges,
    TooManyLogins,
    UserNotFound,
)
from agent.errors.chain import ChainError
from agent.errors.deploy import ChainGone
from agent.errors.name import NameInvalid
from agent.errors.operations import (
    ChainInUse,
    NameNotCovered,
    NothingToReissue,
    OperationError,
    PassphraseRefused,
)
from agent.errors.pins import PinError
from agent.errors.root import (
    ListMissing,
    NoCrossCertificate,
    NoRootPrepared,
    NoRootReplaced,
    PeerUnknown,
    RevokedBefore,
    RootAmbiguous,
    RootError,
    RootMissing,
    RootUnknown,
)
from agent.errors.settings import SettingsError
from agent.errors.source import SourceError
from agent.errors.store import DatabaseBusy, LockHeld, StoreError
from agent.errors.upload import UploadError
from agent.errors.usage import UnknownChain, UsageError

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:chainwright:problem:"
LATER = 5
"""Seconds after which what is busy may be asked again."""

STATUSES: dict[type[AgentError], int] = {
    ApiError: 400,
    AuthenticationRequired: 401,
    PeerForbidden: 403,
    NoOwnPassword: 403,
    NoOwnSession: 403,
    NotFound: 404,
    JobNotFound: 404,
    MethodNotAllowed: 405,
    RequestTimeout: 408,
    ContentTooLarge: 413,
    ConfirmationWordMissing: 422,
    ConfirmationRequired: 422,
    InternalError: 500,
    JobLost: 500,
    ServiceUnavailable: 503,
    AuthError: 422,
    InvalidCredentials: 401,
    SessionExpired: 401,
    InvalidToken: 401,
    PermissionDenied: 403,
    OneTimePasswordEnded: 401,
    PasswordChangeRequired: 403,
    PasswordRequired: 403,
    PasswordWrong: 403,
    TokenForbidden: 403,
    UserNotFound: 404,
    TokenNotFound: 404,
    TooManyLogins: 429,
    TooManyChanges: 429,
    UsageError: 422,
    UnknownChain: 404,
    ChainGone: 404,
    OperationError: 409,
    PinError: 409,
    NameNotCovered: 422,
    PassphraseRefused: 422,
    NothingToReissue: 422,
    NameInvalid: 422,
    UploadError: 422,
    ChainError: 422,
    RootError: 422,
    RootMissing: 404,
    RootUnknown: 404,
    RootAmbiguous: 409,
    NoCrossCertificate: 404,
    NoRootPrepared: 404,
    NoRootReplaced: 404,
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
    return {"effects": list(error.effects)} if isinstance(error, ConfirmationRequired) else {}


def headers_of(error: AgentError, now: datetime) -> dict[str, str]:
    """Return the headers that go with an error."""
    status = status_of(error)
    if status == 401:
        return {"www-authenticate": "Bearer"}
    if isinstance(error, MethodNotAllowed):
        return {"allow": ", ".join(sorted(error.allowed))}
    if isinstance(error, LockHeld | DatabaseBusy | ServiceUnavailable):
        return {"retry-after": str(LATER)}
    if error.retry_at is not None:
        return {"retry-after": str(max(1, round((error.retry_at - now).total_seconds())))}
    return {}
