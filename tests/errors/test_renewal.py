from datetime import UTC, datetime

import pytest

from agent.errors import AgentError
from agent.errors.renewal import RenewalInfoUnknown

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        RenewalInfoUnknown("no answer within 30 s", AT),
        (
            "acme: The CA does not say when to renew the chain: no answer within 30 s.\n"
            "Nothing is to be done: it is renewed in good time all the same, and the CA is asked again."
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


def test_the_ca_is_asked_again():
    assert [error.retry_at for error, _ in EXAMPLES] == [AT]
