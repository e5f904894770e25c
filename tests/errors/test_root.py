from datetime import UTC, datetime

import pytest

from agent.errors import AgentError
from agent.errors.root import (
    ListMissing,
    NamesMissing,
    PeerUnknown,
    RequestInvalid,
    RevokedBefore,
    RootExpired,
    RootKeyMismatch,
    RootMayNotSign,
    RootMissing,
    RootParentsWrong,
)

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        RootMayNotSign("Toy CA", "its key usage does not include keyCertSign"),
        (
            '"Toy CA" can\'t be the root: its key usage does not include keyCertSign.\n'
            "Give a certificate authority that may sign certificates, with its key."
        ),
    ),
    (
        RootKeyMismatch("Toy CA"),
        (
            'The private key does not belong to the certificate of the root "Toy CA".\n'
            "Give the key that belongs to the certificate of this authority."
        ),
    ),
    (
        RootParentsWrong("Toy CA", "It was issued by somebody else."),
        (
            'The certificates above the root "Toy CA" do not lead up from it: It was issued by somebody else.\n'
            "Give the certificates of the authorities above it, each before that of its own issuer."
        ),
    ),
    (
        RootExpired("Toy CA", datetime(2036, 11, 1, 12, tzinfo=UTC)),
        (
            'The root "Toy CA" ended at 2036-11-01T12:00:00Z and can\'t sign any more.\n'
            "Make a new one with `chainwright root reissue`, or upload one."
        ),
    ),
    (
        RequestInvalid("its signature does not verify with the key in it"),
        (
            "The certificate signing request can't be signed: its signature does not verify with the key in it.\n"
            "Make a new one on the device that has the key."
        ),
    ),
    (
        NamesMissing(),
        "A certificate without a name was asked of the root.\nName at least one DNS name or IP address.",
    ),
    (RootMissing(), "root: The appliance has no root yet.\nRun the agent once: chainwright apply"),
    (
        PeerUnknown("4f2a"),
        (
            'root: The root has signed nothing with the serial number "4f2a".\n'
            "See what it has signed for others: chainwright root peers"
        ),
    ),
    (
        RevokedBefore("4f2a", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        (
            "root: The certificate with the serial number 4f2a was revoked at 2026-11-01T12:00:00Z.\n"
            "See the root's list: chainwright root crl"
        ),
    ),
    (
        ListMissing("Toy CA"),
        (
            'root: The root "Toy CA" has no list of revoked certificates: no pass was made since it was taken into service, '
            "or its key usage does not include cRLSign.\n"
            "Run the agent once, or upload a root that may sign such lists."
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


def test_codes_are_of_one_family():
    assert all(error.code.startswith("root.") for error, _ in EXAMPLES)
