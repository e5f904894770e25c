from datetime import UTC, datetime

import pytest

from agent.errors import AgentError
from agent.errors.validation import HINTS, NameFailure, NamesRejected, ValidationFailed

AT = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
LE = "Let's Encrypt"
TIMEOUT = NameFailure(
    "www.example.com",
    "connection",
    "192.0.2.1: Fetching http://www.example.com/.well-known/acme-challenge/t: Timeout during connect.",
)
CAA = NameFailure("shop.example.com", "caa", "CAA record for shop.example.com prevents issuance")

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        ValidationFailed(LE, [TIMEOUT], AT, passed={"example.com"}),
        (
            "acme: Let's Encrypt could not validate www.example.com (connection: 192.0.2.1: Fetching "
            "http://www.example.com/.well-known/acme-challenge/t: Timeout during connect).\n"
            "Let port 80 of www.example.com be reached from the internet: DNS, firewall and NAT must lead to this machine, "
            "then: chainwright renew"
        ),
    ),
    (
        ValidationFailed(LE, [CAA, TIMEOUT], AT),
        (
            "acme: Let's Encrypt could not validate shop.example.com (caa: CAA record for shop.example.com prevents issuance); "
            "www.example.com (connection: 192.0.2.1: Fetching http://www.example.com/.well-known/acme-challenge/t: "
            "Timeout during connect).\n"
            "Let the CAA records of shop.example.com, or of the domain above it, name this CA, then: chainwright renew"
        ),
    ),
    (
        ValidationFailed(LE, [NameFailure("", "serverInternal", "")], AT),
        (
            "acme: Let's Encrypt could not validate a name (serverInternal: it gives no reason).\n"
            "Let each name lead to this machine, from the whole internet and on port 80, then: chainwright renew"
        ),
    ),
    (
        NamesRejected(LE, [NameFailure("www.example.test", "rejectedIdentifier", "no valid public suffix")], AT),
        (
            "acme: Let's Encrypt does not certify www.example.test (rejectedIdentifier: no valid public suffix).\n"
            "Correct the name or take it out of the module's settings, or have another CA certify it, then: chainwright renew"
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


def test_the_names_are_kept_apart():
    error, _ = EXAMPLES[0]
    assert (error.failed, error.passed) == ({"www.example.com"}, {"example.com"})
    assert EXAMPLES[2][0].failed == frozenset(), "none in particular"


def test_of_many_names_the_first_are_shown_and_all_are_kept():
    failures = [NameFailure(f"{number}.example.com", "dns", "NXDOMAIN") for number in range(30)]
    error = ValidationFailed(LE, failures, AT)
    assert "2.example.com (dns: NXDOMAIN); and 27 more." in error.problem.cause
    assert len(error.failed) == 30


@pytest.mark.parametrize("kind", HINTS)
def test_every_hint_names_the_name(kind: str):
    assert "www.example.com" in ValidationFailed(LE, [NameFailure("www.example.com", kind, "x")], AT).problem.fix
