"""What the local API answers by itself: who may connect, and what a request must look like. Nothing has changed then."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from agent.errors.base import AgentError

DOCUMENT = "See GET /v1/openapi.json for what the API takes and returns."


class ApiError(AgentError):
    """A request to the local API is not answered as it was asked."""

    code = "api"


class PeerForbidden(ApiError):
    """A process of a user who may not connect (the peer's uid, unix(7) SO_PEERCRED)."""

    code = "api.peer_refused"
    cause = "Forbidden: processes of the user with the number {uid} may not use the agent's API."
    fix = "Connect as root, or as the user of the web interface: [modules.webui] run_as."
    uid: int


class AuthenticationRequired(ApiError):
    """Neither a session nor a token was sent."""

    code = "api.login_needed"
    cause = "Authentication required."
    fix = 'Log in with POST /v1/session, or create a token; then send the header "Authorization: Bearer TEXT".'


class NoOwnPassword(ApiError):
    """A token, or root on the appliance itself, has no password to change."""

    code = "api.no_own_password"
    cause = "{name:quoted} has no password of its own."
    fix = "Log in as the user whose password is to change, or on the appliance: chainwright webui password USER"
    name: str


class NoOwnSession(ApiError):
    """A token, or root on the appliance itself, has no session that could end: it is no reason for a row of the record."""

    code = "api.no_session"
    cause = "{name:quoted} has no session that could end."
    fix = "A token is good until it is revoked: chainwright webui token revoke ID"
    name: str


class NotFound(ApiError):
    """There is no such address."""

    code = "api.nothing_here"
    cause = "Not found."
    fix = DOCUMENT


class MethodNotAllowed(ApiError):
    """The address exists, but not for this method."""

    code = "api.method_unknown"
    cause = "Method not allowed: {method}."
    fix = "Allowed: {allowed:sorted}."
    method: str
    allowed: Collection[str]


class BadRequest(ApiError):
    """The request is no HTTP, or what it holds is not as documented. `reason`: without a full stop."""

    code = "api.malformed"
    cause = "Bad request: {reason}."
    fix = DOCUMENT
    reason: str
    where: str = ""


class ContentTooLarge(ApiError):
    """More bytes than a request may have."""

    code = "api.too_large"
    cause = "Content too large: the request has more than {limit} bytes."
    fix = "Send less; a chain has a few thousand bytes."
    limit: int


class RequestTimeout(ApiError):
    """The whole request did not come in time."""

    code = "api.too_slow"
    cause = "Request timeout: the request was not complete within {seconds:number} seconds."
    fix = "Send it again."
    seconds: float


class ServiceUnavailable(ApiError):
    """So many ask for something costly that one more would have to wait for long."""

    code = "api.busy"
    cause = "Service unavailable: too many requests of this kind at the same time."
    fix = "Try again in a few seconds."


class ConfirmationWordMissing(ApiError):
    """Something dangerous is confirmed by a word, and it was not typed."""

    code = "api.not_typed"
    cause = "Confirmation required; nothing was changed."
    fix = "Send {word:quoted} as typed."
    word: str


class ConfirmationRequired(ApiError):
    """Something that can't be undone was not confirmed. `effects`: what would follow, by name."""

    code = "api.not_confirmed"
    cause = "Confirmation required: this can't be undone. Nothing was changed."
    fix = "Send confirmed as true."
    effects: Sequence[str] = ()


class JobNotFound(ApiError):
    """There is no job with this id, or it was forgotten."""

    code = "api.job_unknown"
    cause = "Not found: there is no job {job:quoted}, or it is too old."
    fix = "What has happened since is among the events: chainwright events, or GET /v1/events."
    job: str


class JobLost(ApiError):
    """The process of a job ended without a result."""

    code = "api.job_lost"
    cause = "The job ended without a result: {reason}."
    effect = "What is served is not touched."
    fix = "The agent goes on with what is due; or at once: chainwright apply"
    reason: str


class InternalError(ApiError):
    """A mistake of the program. The agent's log says which; the answer doesn't, because it might name anything."""

    code = "api.failed"
    cause = "Internal error."
    effect = "What is served is not touched."
    fix = "See the agent's log: journalctl -u chainwright, or the files in /var/log/chainwright. Please report it."
