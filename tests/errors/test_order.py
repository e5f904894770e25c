from datetime import UTC, datetime

import pytest

from agent.errors import AgentError
from agent.errors.order import (
    ChainUnexpected,
    ChallengeMissing,
    OrderUnfinished,
    ProfileMissing,
)

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = "Nothing is lost: the same order goes on at the next try."
PROFILE = "Set profile in [acme] to one that it offers, or profile_required = false."

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        OrderUnfinished("Let's Encrypt", 5, AT),
        f"acme: Let's Encrypt has not finished the order within 5 minutes.\n{LATER}",
    ),
    (
        ChainUnexpected("ca.example", "it names other.example.com too", AT),
        (
            "acme: ca.example delivered a chain that is not what was ordered: it names other.example.com too.\n"
            "It is not used, and ordered again; if that happens again, report it to the CA."
        ),
    ),
    (
        ProfileMissing("ca.example", "shortlivd", ["tlsserver", "shortlived"]),
        f'acme: ca.example offers no profile "shortlivd"; it offers "shortlived", "tlsserver".\n{PROFILE}',
    ),
    (
        ProfileMissing("ca.example", "tlsserver", []),
        f'acme: ca.example offers no profile "tlsserver"; it offers none at all.\n{PROFILE}',
    ),
    (
        ChallengeMissing("ca.example", ["shop.example.com"], ["dns-01"]),
        (
            "acme: ca.example does not let shop.example.com be proved by HTTP-01; it offers dns-01.\n"
            "Ask its operator to allow http-01, or give these names to another source."
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


def test_what_only_a_change_of_settings_or_at_the_ca_helps_is_not_tried_again():
    tried_again = {error.code for error, _ in EXAMPLES if error.retry_at}
    assert tried_again == {"source.order_unfinished", "source.chain_unexpected"}
