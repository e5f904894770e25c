"""MTA-STS policies (RFC 8461) are compared with the names and chains that mail serves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.health.mta_sts import of_policies
from agent.model.finding import Severity
from agent.model.mta_sts import PolicyLook, is_covered, parse_policy
from agent.model.need import Need
from agent.pki.judgement import INCOMPLETE, Objection
from support.fakes.ladder import NOW, local, record

DOMAIN, URL = "example.com", "https://mta-sts.example.com/.well-known/mta-sts.txt"
NEED = Need(("mail.example.com",), module="mail", mta_sts=(DOMAIN,))
PUBLIC = record("public", "acme", NEED.names, made_for=NEED)
PRIVATE = local("private", NEED, since=NOW)


def told(look: PolicyLook, served=PUBLIC) -> dict[str, Severity]:
    found = of_policies([NEED], {DOMAIN: look}, {NEED.key: served})
    return {each.problem.code: each.severity for each in found}


def policy(*hosts: str, mode: str = "enforce", **more) -> PolicyLook:
    return PolicyLook(DOMAIN, mode, hosts, **more)


@pytest.mark.parametrize("host", ["mail.example.com", "*.example.com"])
def test_a_policy_that_names_what_is_served_by_a_public_chain_is_good(host: str):
    assert told(policy(host)) == {}


def test_a_host_that_no_chain_covers_is_named():
    look = policy("mail.example.com", "mx2.example.net")
    (finding,) = of_policies([NEED], {DOMAIN: look}, {NEED.key: PUBLIC})
    assert (finding.subject, finding.name, finding.severity) == (
        "mail/example.com",
        "MTA-STS of example.com",
        Severity.WARNING,
    )
    assert finding.problem.cause == (
        "The MTA-STS policy of example.com (mode enforce) names mx2.example.net, for which mail serves no chain: servers that "
        "go by it don't deliver there, where that is this server."
    )
    assert finding.problem.fix == f"Add it to the domains of [modules.mail], or take it out of {URL}"


@pytest.mark.parametrize(
    "served", [PRIVATE, replace(PUBLIC, warnings=(Objection(INCOMPLETE, "", "no root is known", ""),))]
)
def test_a_chain_of_no_public_authority_is_an_error_where_the_policy_is_enforced(served):
    assert told(policy("mail.example.com"), served) == {"status.mta_sts_not_public": Severity.ERROR}
    assert told(policy("mail.example.com", mode="testing"), served) == {"status.mta_sts_not_public": Severity.NOTICE}
    assert told(policy("mail.example.com", mode="none"), served) == {}
    (finding,) = of_policies([NEED], {DOMAIN: policy("mail.example.com")}, {NEED.key: served})
    assert finding.problem.cause == (
        "The MTA-STS policy of example.com (mode enforce) is about mail/default, and what is served there is of no public "
        "authority: servers that go by it don't deliver to it."
    )
    assert finding.problem.fix == "See why it has no chain of a public authority: chainwright explain mail default"


def test_a_policy_that_can_t_be_had_is_said_and_what_was_known_still_counts():
    look = policy("mx2.example.net", problem="the server answers with HTTP status 404")
    assert told(look) == {"status.mta_sts_not_had": Severity.NOTICE, "status.mta_sts_uncovered": Severity.WARNING}
    (first, _) = of_policies([NEED], {DOMAIN: look}, {NEED.key: PUBLIC})
    assert first.problem.cause == (
        f"The MTA-STS policy of example.com can't be had from {URL}: the server answers with HTTP status 404."
    )
    assert first.problem.fix == "Correct it, or take the domain out of mta_sts in the settings of the module."


GOOD = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.Example.NET\r\nmax_age: 604800\r\n"


def test_a_policy_is_read_as_the_grammar_says():
    assert parse_policy(GOOD) == ("enforce", ("mail.example.com", "*.example.net"))
    assert parse_policy(f"{GOOD}note: Grüße\r\n") == parse_policy(GOOD), "extensions may be of any characters"
    assert parse_policy("version: STSv1\nmode: none\nmax_age: 1\n") == ("none", ())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it does not begin with version: STSv1"),
        ("<html>", "it does not begin with version: STSv1"),
        (GOOD.replace("enforce", "enforced"), "its mode is none of enforce, testing and none"),
        (GOOD.replace("mx", "mix"), "it names no mx"),
        (GOOD.replace("max_age", "age"), "it has no max_age, a number of seconds"),
        (GOOD.replace("604800", "a week"), "it has no max_age, a number of seconds"),
        (GOOD.replace("*.Example.NET", "192.0.2.1"), "an mx of it is an address"),
        (GOOD.replace("*.Example.NET", "a b"), "an mx of it is no host name"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_reason(text: str, reason: str):
    with pytest.raises(ValueError, match=f"^{reason}$"):
        parse_policy(text)


@pytest.mark.parametrize(
    ("host", "names", "covered"),
    [
        ("mail.example.com", ("mail.example.com",), True),
        ("mail.example.com", ("*.example.com",), True),
        ("*.example.com", ("mail.example.com",), True),
        ("*.example.com", ("*.example.com",), True),
        ("*.example.com", ("a.mail.example.com",), False),
        ("example.com", ("mail.example.com",), False),
    ],
)
def test_a_host_of_a_policy_may_be_a_wildcard(host: str, names: tuple[str, ...], covered: bool):
    assert is_covered(host, names) is covered
