"""Somebody may not do what was asked: who, why, and what to do about it."""

from __future__ import annotations

from datetime import datetime

from agent.errors.name import quoted
from agent.errors.problem import AgentError, rfc3339


class PeopleError(AgentError):
    """A person or program was refused."""

    code = "people"


class LoginRefused(PeopleError):
    """Name or password is wrong; which of the two isn't said."""

    code = "people.login_refused"

    def __init__(self) -> None:
        super().__init__(
            "Name or password is wrong.",
            fix="A forgotten password is set anew on the appliance itself: chainwright webui password",
        )


class TooManyTries(PeopleError):
    """Too many logins have failed. The command line on the appliance is never held back."""

    code = "people.too_many_tries"

    def __init__(self, retry_at: datetime) -> None:
        super().__init__(
            f"Too many logins have failed; the next one is looked at after {rfc3339(retry_at)}.",
            fix="On the appliance itself a new password can be set at once: chainwright webui password",
            retry_at=retry_at,
        )


class SessionEnded(PeopleError):
    """The session is unknown, idle for too long, or over."""

    code = "people.session_ended"

    def __init__(self) -> None:
        super().__init__("The session has ended, or there was none.", fix="Log in again.")


class TokenRefused(PeopleError):
    """The token is unknown, revoked or expired."""

    code = "people.token_refused"

    def __init__(self) -> None:
        super().__init__(
            "The token is unknown, revoked or expired.", fix="Make a new one: chainwright webui token create NAME"
        )


class NotAllowed(PeopleError):
    """The role doesn't include it."""

    code = "people.not_allowed"

    def __init__(self, name: str, role: str, needed: str) -> None:
        super().__init__(
            f"{quoted(name)} has the role {role}, and this needs the role {needed}.",
            fix="Log in as somebody who has it.",
        )


class PasswordChangeNeeded(PeopleError):
    """The one-time password opens nothing but the change of itself."""

    code = "people.password_change_needed"

    def __init__(self) -> None:
        super().__init__(
            "The one-time password has to be changed before anything else.", fix="Choose a password of your own."
        )


class PasswordRefused(PeopleError):
    """A new password is not acceptable. Nothing of it stands in the message."""

    code = "people.password_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The new password is refused: {reason}.", fix="Choose a longer one, of several words.")


class PersonUnknown(PeopleError):
    """There is no such person."""

    code = "people.unknown"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no user {quoted(name)}.", fix="Who there is: chainwright webui users")


class PersonRefused(PeopleError):
    """A name that can't be a user's, or the last administrator."""

    code = "people.refused"

    def __init__(self, name: str, reason: str, fix: str) -> None:
        super().__init__(f"The user {quoted(name)} is refused: {reason}.", fix=fix)


class TokenUnknown(PeopleError):
    """There is no token with this id."""

    code = "people.token_unknown"

    def __init__(self, token: str) -> None:
        super().__init__(f"There is no token {quoted(token)}.", fix="Which there are: chainwright webui token list")
