from datetime import UTC, datetime

import pytest

from agent.errors import AgentError
from agent.errors.acme import (
    LONGEST,
    CaBusy,
    CaFailed,
    CaRefused,
    CaUnreached,
    CaUntrusted,
    NamesPaused,
    NoDirectory,
    ProfileRefused,
    RateLimited,
    RevocationRefused,
    SigningRequestRefused,
    TrustFileUnusable,
)

AT = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
LE = "Let's Encrypt"
HOST = "acme-v02.api.letsencrypt.org"
FILE = "/etc/chainwright/ca.pem"
UNPAUSE = "https://portal.letsencrypt.org/sfe/v1/unpause?jwt=abc"
NO_ISSUER = "unable to get local issuer certificate"
BY_ITSELF = "Nothing is to be done: it goes on by itself then."
PUT = f"Put the root certificate of the CA's server into {FILE}, then: chainwright renew"
CA_CERTIFICATES = (
    "Install the system's ca-certificates; for a private CA, let trust in [acme] name a file with its root."
)

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        CaUnreached(LE, HOST, "its host name can't be resolved (Name or service not known)", AT),
        (
            f"acme: Let's Encrypt can't be reached at {HOST}: its host name can't be resolved (Name or service not known).\n"
            "Look at this machine's network, DNS and firewall; it is tried again by itself."
        ),
    ),
    (
        CaUnreached("ca.example", "ca.example", "no answer within 30 s", AT),
        (
            "acme: ca.example can't be reached: no answer within 30 s.\n"
            "Look at this machine's network, DNS and firewall; it is tried again by itself."
        ),
    ),
    (
        CaUntrusted("ca.example", "ca.example", NO_ISSUER, AT, file=FILE),
        (f"acme: The TLS certificate of ca.example does not verify: {NO_ISSUER}.\n{PUT}"),
    ),
    (
        CaUntrusted(LE, HOST, NO_ISSUER, AT),
        (
            f"acme: The TLS certificate of Let's Encrypt's server {HOST} does not verify: {NO_ISSUER}.\n"
            f"{CA_CERTIFICATES}"
        ),
    ),
    (
        CaUntrusted(LE, HOST, "certificate is not yet valid", AT),
        (
            f"acme: The TLS certificate of Let's Encrypt's server {HOST} does not verify: certificate is not yet valid.\n"
            "Set this machine's clock if it is wrong (timedatectl); else the CA must renew it, then: chainwright renew"
        ),
    ),
    (
        CaUntrusted(LE, "ca.example", "Hostname mismatch, certificate is not valid for 'ca.example'", AT),
        (
            "acme: The TLS certificate of Let's Encrypt's server ca.example does not verify: "
            "Hostname mismatch, certificate is not valid for 'ca.example'.\n"
            "Correct directory in [acme]: the certificate is for another host."
        ),
    ),
    (
        TrustFileUnusable(FILE, "no such file or directory", AT),
        (
            f"acme: The file {FILE} with the roots that the CA's own server is trusted by can't be used: "
            "no such file or directory.\n"
            "Put the root certificate of the CA's server there as PEM, or correct trust in [acme], then: chainwright renew"
        ),
    ),
    (
        NoDirectory("https://ca.example/", "it answers with HTTP status 404", AT),
        (
            "acme: There is no ACME directory at https://ca.example/: it answers with HTTP status 404.\n"
            "Correct directory in [acme]: it is the address that the CA calls its directory or ACME URL."
        ),
    ),
    (
        CaBusy(LE, AT),
        (
            "acme: Let's Encrypt has too much to do, or is maintained, and asks to wait until 2026-11-23T14:05:00Z.\n"
            f"{BY_ITSELF}"
        ),
    ),
    (
        CaFailed(LE, "Error creating new order.", AT),
        (
            "acme: Let's Encrypt has a failure of its own: Error creating new order.\n"
            "Nothing is wrong here; it is tried again by itself. Its operator's status page may say more."
        ),
    ),
    (
        RateLimited(
            LE,
            'too many certificates (50) already issued for "example.com" in the last 168h0m0s',
            AT,
            failed={"www.example.com"},
        ),
        (
            "acme: Let's Encrypt allows no more for now: "
            'too many certificates (50) already issued for "example.com" in the last 168h0m0s.\n'
            f"{BY_ITSELF}"
        ),
    ),
    (
        NamesPaused(LE, {"www.example.com", "example.com"}, UNPAUSE, AT),
        (
            "acme: Let's Encrypt has paused example.com, www.example.com, because they failed too often.\n"
            f"See to it that they pass, open {UNPAUSE}, then: chainwright renew"
        ),
    ),
    (
        NamesPaused(LE, (), "", AT),
        (
            "acme: Let's Encrypt has paused some of the names, because they failed too often.\n"
            "See to it that they pass, open the page of its operator, then: chainwright renew"
        ),
    ),
    (
        ProfileRefused(LE, "profile name 'gold' not recognized"),
        (
            "acme: Let's Encrypt does not accept the profile: profile name 'gold' not recognized.\n"
            "Set profile in [acme] to one that it offers, or profile_required = false."
        ),
    ),
    (
        SigningRequestRefused(
            LE, "Error finalizing order :: unable to parse key: only P-256 and P-384 keys are allowed"
        ),
        (
            "acme: Let's Encrypt does not accept the signing request: "
            "Error finalizing order :: unable to parse key: only P-256 and P-384 keys are allowed.\n"
            "Ask for another type of key in the settings of the module, or for other names."
        ),
    ),
    (
        RevocationRefused(LE, "reason code 8 is not allowed."),
        (
            "acme: Let's Encrypt did not revoke the chain: reason code 8 is not allowed.\n"
            "Give another reason, or ask the CA's operator to revoke it."
        ),
    ),
    (
        CaRefused(LE, "malformed", "", AT),
        (
            'acme: Let\'s Encrypt refused with "malformed": it gives no reason.\n'
            "It is tried again by itself; if it stays so, ask the CA's operator what it means."
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


def test_waiting_for_the_ca_is_no_failure_in_a_row():
    assert [type(error).__name__ for error, _ in EXAMPLES if not error.counts] == [
        "CaBusy",
        "RateLimited",
        "NamesPaused",
        "NamesPaused",
    ]


def test_the_names_that_a_limit_is_about_are_kept():
    assert RateLimited(LE, "x", AT, failed={"a.example.com"}).failed == {"a.example.com"}
    assert NamesPaused(LE, {"a.example.com"}, UNPAUSE, AT).failed == {"a.example.com"}


def test_many_paused_names_are_counted_and_long_words_are_cut():
    names = {f"{number}.example.com" for number in range(5)}
    assert "0.example.com, 1.example.com, 2.example.com and 2 more," in str(NamesPaused(LE, names, UNPAUSE, AT))
    assert len(CaFailed(LE, "x" * 5000, AT).problem.cause) < LONGEST + 100


def test_an_error_can_be_told_of_another_place():
    assert str(CaBusy(LE, AT).at("mail")).startswith("mail: Let's Encrypt has too much to do")
