"""Somebody may not do what was asked: who, why, and what to do about it."""

from __future__ import annotations

from datetime import datetime

from agent.errors.base import AgentError


class AuthError(AgentError):
    """A person or program was refused."""

    code = "people"


class InvalidCredentials(AuthError):
    """Name or password is wrong; which of the two isn't said."""

    code = "people.login_refused"
    cause = "Name or password is wrong."
    fix = "Set a new password on the appliance itself: chainwright webui password"


class TooManyLogins(AuthError):
    """Too many logins have failed. The command line on the appliance is never held back."""

    code = "people.too_many_tries"
    cause = "Too many logins have failed; the next one is possible after {retry_at:time}."
    fix = "Set a new password on the appliance itself at once: chainwright webui password"
    retry_at: datetime


class SessionExpired(AuthError):
    """The session is unknown, idle for too long, or over."""

    code = "people.session_ended"
    cause = "The session has expired, or there was none."
    fix = "Log in again."


class InvalidToken(AuthError):
    """The token is unknown, revoked or expired."""

    code = "people.token_refused"
    cause = "The token is unknown, revoked or expired."
    fix = "Create a new one: chainwright webui token create NAME"


class PermissionDenied(AuthError):
    """The role doesn't include it."""

    code = "people.not_allowed"
    cause = "Permission denied: {name:quoted} has the role {role}, and this needs the role {needed}."
    fix = "Log in as somebody who has it."
    name: str
    role: str
    needed: str


class PasswordChangeRequired(AuthError):
    """The one-time password opens nothing but the change of itself."""

    code = "people.password_change_needed"
    cause = "The one-time password has to be changed before anything else."
    fix = "Choose a password of your own."


class OneTimePasswordEnded(AuthError):
    """The one-time password was right, and is too old or was used before. Shown only to somebody who has typed it."""

    code = "people.one_time_password_ended"
    cause = "The one-time password of {name:quoted} has ended: it was for one login within 24 hours."
    fix = "Print another one on the appliance itself: chainwright webui password --one-time {name}"
    name: str


class PasswordRefused(AuthError):
    """A new password is not acceptable. The message has nothing of it."""

    code = "people.password_refused"
    cause = "The new password is refused: {reason}."
    fix = "Choose a longer one, of several words."
    reason: str


class UserNotFound(AuthError):
    """There is no such user."""

    code = "people.unknown"
    cause = "There is no user {name:quoted}."
    fix = "List the users: chainwright webui users"
    name: str


class UserRefused(AuthError):
    """A name that can't be a user's, or the last administrator."""

    code = "people.refused"
    cause = "The user {name:quoted} is refused: {reason}."
    name: str
    reason: str
    fix: str


class TokenRefused(AuthError):
    """A token that can't be made: its name or its lifetime."""

    code = "people.token_not_made"
    cause = "The token {name:quoted} can't be made: {reason}."
    name: str
    reason: str
    fix: str


class TokenForbidden(AuthError):
    """What a token may not do, whatever its role: give rights, give keys away, and what can't be undone."""

    code = "people.not_by_token"
    cause = "Permission denied: {name:quoted} is a token, and this is for people who can give their password."
    fix = "Log in as an administrator, or use the command on the appliance itself."
    name: str


class PasswordRequired(AuthError):
    """The password has to be given once more, as what was asked for weighs so much that a session alone doesn't do."""

    code = "people.password_needed"
    cause = "Your password is needed once more: it was given more than 5 minutes ago. Nothing was changed."
    fix = "Give it, and ask again (the API takes it with POST /v1/session/password)."


class PasswordWrong(AuthError):
    """The password that was given once more is another one. The session goes on."""

    code = "people.password_wrong"
    cause = "The password is wrong. Nothing was changed."
    fix = (
        "Type it again. Forgotten, it is replaced on the appliance itself: chainwright webui password --one-time {name}"
    )
    name: str


class TokenNotFound(AuthError):
    """There is no token with this id."""

    code = "people.token_unknown"
    cause = "There is no token {token:quoted}."
    fix = "List the tokens: chainwright webui token list"
    token: str


class TooManyChanges(AuthError):
    """Somebody has made so many changes that the record of them would push others out."""

    code = "people.too_many_changes"
    cause = "{name:quoted} has made {most} changes within a day; the next one is possible after {retry_at:time}."
    effect = "Nothing was changed."
    fix = "Make it on the appliance itself, without such a limit; or see what makes so many: chainwright webui audit"
    name: str
    most: int
    retry_at: datetime


class AuditBroken(AuthError):
    """Rows of the audit record were changed, removed or put in by something else than the agent."""

    code = "people.audit_broken"
    cause = "The audit record isn't whole: {fault}{others}."
    fix = (
        "Compare it with the journal: journalctl -t chainwright-audit; see all: chainwright webui audit --verify; once it is "
        "explained, take it as it is: chainwright webui audit --accept"
    )
    fault: str
    others: str = ""
    """Further ones, with a comma before."""
