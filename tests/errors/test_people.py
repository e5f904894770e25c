from datetime import UTC, datetime

import pytest

from agent.errors import AgentError
from agent.errors.auth import (
    LoginRefused,
    NotAllowed,
    PasswordChangeNeeded,
    PasswordRefused,
    PersonRefused,
    PersonUnknown,
    SessionEnded,
    TokenRefused,
    TokenUnknown,
    TooManyTries,
)

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
PROGRAM = "chainwright webui"

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        LoginRefused(),
        f"Name or password is wrong.\nA forgotten password is set anew on the appliance itself: {PROGRAM} password",
    ),
    (
        TooManyTries(AT),
        (
            "Too many logins have failed; the next one is looked at after 2026-11-01T12:00:00Z.\n"
            f"On the appliance itself a new password can be set at once: {PROGRAM} password"
        ),
    ),
    (SessionEnded(), "The session has ended, or there was none.\nLog in again."),
    (
        TokenRefused(),
        f"The token is unknown, revoked or expired.\nMake a new one: {PROGRAM} token create NAME",
    ),
    (
        NotAllowed("ann", "viewer", "admin"),
        '"ann" has the role viewer, and this needs the role admin.\nLog in as somebody who has it.',
    ),
    (
        PasswordChangeNeeded(),
        "The one-time password has to be changed before anything else.\nChoose a password of your own.",
    ),
    (
        PasswordRefused("it would be guessed at once"),
        "The new password is refused: it would be guessed at once.\nChoose a longer one, of several words.",
    ),
    (PersonUnknown("bob"), f'There is no user "bob".\nWho there is: {PROGRAM} users'),
    (
        PersonRefused("bob", "there is one already", f"Change the password: {PROGRAM} password bob"),
        f'The user "bob" is refused: there is one already.\nChange the password: {PROGRAM} password bob',
    ),
    (TokenUnknown("12ab"), f'There is no token "12ab".\nWhich there are: {PROGRAM} token list'),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message
