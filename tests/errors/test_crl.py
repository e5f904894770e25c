from datetime import UTC, datetime

import pytest

from agent.errors import AgentError
from agent.errors.crl import CrlRefused, CrlUnreachable

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
URL = "http://ca.example.com/1.crl"

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        CrlUnreachable(URL, "connection refused", AT),
        (
            "CRL: Whether a chain was revoked is not known: the CA's list can't be fetched from"
            ' "http://ca.example.com/1.crl": connection refused.\n'
            "The chain stays in service. Let the appliance reach that address; without, nothing else is missing."
        ),
    ),
    (
        CrlRefused(URL, "its signature is not the CA's", AT),
        (
            "CRL: Whether a chain was revoked is not known: the CA's list at"
            ' "http://ca.example.com/1.crl" is of no use: its signature is not the CA\'s.\n'
            "The chain stays in service. It's the CA that has to mend it, if the appliance's clock is right: date"
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


def test_a_list_is_always_looked_at_again():
    assert [error.retry_at for error, _ in EXAMPLES] == [AT, AT]
