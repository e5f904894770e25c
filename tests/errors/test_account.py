from datetime import UTC, datetime

import pytest

from agent.errors import AgentError
from agent.errors.account import (
    AccountKeyRefused,
    AccountRefused,
    AccountUnknown,
    ContactRefused,
    ExternalAccountMissing,
    ExternalAccountRefused,
    RekeyUnfinished,
    TermsNotAgreed,
)

AT = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
LE = "Let's Encrypt"
TERMS = "https://letsencrypt.org/documents/LE-SA-v1.6.pdf"
ACCOUNT = "https://ca.example/acct/7"

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        RekeyUnfinished(LE),
        (
            "acme: A change of the account key at Let's Encrypt was interrupted.\n"
            "Go on with it, then with the orders: chainwright acme rekey"
        ),
    ),
    (
        TermsNotAgreed(LE, TERMS),
        (
            "acme: The terms of service of Let's Encrypt are not agreed to: agree_terms is false.\n"
            f"Read {TERMS}, and set agree_terms = true in [acme]."
        ),
    ),
    (
        TermsNotAgreed(LE, TERMS, changed=True),
        (
            "acme: The terms of service of Let's Encrypt have changed, and it wants a person to agree to them.\n"
            f"Open {TERMS} and follow it, then: chainwright renew"
        ),
    ),
    (
        ExternalAccountMissing("ca.example", "https://www.ca.example"),
        (
            "acme: ca.example gives accounts to its own customers only, and the settings name none.\n"
            "Get a key identifier and a MAC key there (https://www.ca.example), and put them into [acme.external_account]."
        ),
    ),
    (
        ExternalAccountMissing("ca.example"),
        (
            "acme: ca.example gives accounts to its own customers only, and the settings name none.\n"
            "Get a key identifier and a MAC key there, and put them into [acme.external_account]."
        ),
    ),
    (
        ExternalAccountRefused("ca.example", "kid-1", "the MAC is wrong."),
        (
            'acme: ca.example does not accept the external account "kid-1": the MAC is wrong.\n'
            "Correct kid and hmac_key in [acme.external_account]; they may be too old, then get new ones."
        ),
    ),
    (
        ContactRefused(LE, 'invalid contact domain. Contact emails @"example.com" are forbidden'),
        (
            'acme: Let\'s Encrypt does not accept contact: invalid contact domain. Contact emails @"example.com" are forbidden.\n'
            "Correct contact in [acme]: e-mail addresses at which somebody reads."
        ),
    ),
    (
        AccountKeyRefused("ca.example", "signature algorithm ES256 is not supported"),
        (
            "acme: ca.example does not accept the account key (ECDSA P-256): signature algorithm ES256 is not supported.\n"
            "Ask its operator to allow ES256, which every ACME server must, or take another CA."
        ),
    ),
    (
        AccountRefused("ca.example", ACCOUNT, 'Account is not valid, has status "deactivated"', AT),
        (
            f'acme: ca.example refuses the account {ACCOUNT}: Account is not valid, has status "deactivated".\n'
            "Ask its operator to allow the account again, then: chainwright renew"
        ),
    ),
    (
        AccountUnknown("ca.example", ACCOUNT, AT),
        (
            f"acme: ca.example does not know the account {ACCOUNT} any more.\n"
            "The next try makes a new one; CAA records that name its URL (accounturi) need the new one."
        ),
    ),
    (
        AccountUnknown("ca.example", "", AT),
        (
            "acme: ca.example does not know the account any more.\n"
            "The next try makes a new one; CAA records that name its URL (accounturi) need the new one."
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


def test_what_only_the_settings_can_cure_is_not_tried_again():
    waiting = {type(error) for error, _ in EXAMPLES if error.retry_at is None}
    assert {AccountRefused, AccountUnknown}.isdisjoint(waiting)
    assert len(waiting) == 6
