import pytest

from agent.errors import AgentError
from agent.errors.api import (
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
    RequestMalformed,
    RequestTooLarge,
    RequestTooSlow,
)

DOCUMENT = "What it takes and gives: GET /v1/openapi.json"

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        PeerRefused(65534),
        (
            "Processes of the user with the number 65534 may not use the agent's API.\n"
            "Ask as root, or as the user of the web interface: [modules.webui] run_as."
        ),
    ),
    (
        LoginNeeded(),
        (
            "Neither a session nor a token was shown.\n"
            'Log in with POST /v1/session, or make a token; then send the header "Authorization: Bearer TEXT".'
        ),
    ),
    (
        NoOwnPassword("token monitoring"),
        (
            '"token monitoring" has no password of its own.\n'
            "Log in as the user whose password is to change, or on the appliance: chainwright webui password USER"
        ),
    ),
    (NothingHere(), f"There is nothing at this address.\n{DOCUMENT}"),
    (MethodUnknown("PUT", ["POST", "GET"]), "PUT can't be done here.\nKnown are: GET, POST."),
    (
        RequestMalformed("Input should be a valid string", "content, user"),
        f"content, user: The request is not as it must be: Input should be a valid string.\n{DOCUMENT}",
    ),
    (
        RequestTooLarge(2_097_152),
        "The request has more than 2097152 octets.\nSend less; a chain has a few thousand.",
    ),
    (RequestTooSlow(30), "The request did not come within 30 seconds.\nSend it again."),
    (Busy(), "Too many ask for this at the same time.\nTry again in a few seconds."),
    (NotTyped("REISSUE"), 'This needs confirmation; nothing was changed.\nSend "REISSUE" as typed.'),
    (NotConfirmed(), "This can't be undone; nothing was changed.\nSend confirmed as true."),
    (JobUnknown("12ab"), 'There is no job "12ab", or it was long ago.\nWhat happened: GET /v1/events'),
    (
        JobLost("exit code 1"),
        (
            "The job did not come to its end: exit code 1.\n"
            "What is served is not touched. The agent goes on with what is due; or at once: chainwright apply"
        ),
    ),
    (
        ApiFailed(),
        (
            "The agent made a mistake when it answered.\n"
            "What is served is not touched. Its log says which: journalctl -u chainwright. Please report it."
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message
