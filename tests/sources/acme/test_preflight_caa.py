"""Which CAA records allow a CA to issue: RFC 8659, and RFC 8657 for the parameters."""

from __future__ import annotations

import dns.name
import dns.rdata
import dns.rdatatype
import pytest

from agent.dns.answer import DnsAnswer
from agent.sources.acme.preflight.caa import Applicant, Permission, judge, read_permission
from agent.sources.acme.preflight.findings import Finding

OURS = "letsencrypt.org"
ACCOUNT = "https://ca.example/acct/17"


def refused(
    *records: str, name: str = "gw.example.com", account: str = ACCOUNT, methods=("http-01",)
) -> Finding | None:
    """Judge records of example.com."""
    found = tuple(dns.rdata.from_text("IN", "CAA", each) for each in records)
    answer = DnsAnswer(dns.name.from_text("example.com"), found)
    return judge(name, answer, Applicant((OURS, "ca.example"), account, methods), certain=True)


def refusal(*records: str, **told) -> Finding:
    finding = refused(*records, **told)
    assert finding is not None
    return finding


@pytest.mark.parametrize(
    ("value", "permission"),
    [
        ("ca.example", Permission("ca.example")),
        (" \tca.example \t", Permission("ca.example")),
        ("CA.Example", Permission("ca.example")),
        (";", Permission("")),
        ("", Permission("")),
        ("ca.example;", Permission("ca.example")),
        ("ca.example; a=b", Permission("ca.example", (("a", "b"),))),
        ("ca.example;a=b ; c-d = e=f", Permission("ca.example", (("a", "b"), ("c-d", "e=f")))),
        ("ca.example; a=", Permission("ca.example", (("a", ""),))),
        ("; a=b", Permission("", (("a", "b"),))),
        ("ca.example a=b", None),
        ("ca.example; a=b;", None),
        ("ca.example; a", None),
        ("ca.example; a b=c", None),
        ("ca.example; a=b c", None),
        ("ca.example; =b", None),
        ("ca..example", None),
        ("-ca.example", None),
        ("ca_b.example", None),
        ("https://ca.example/", None),
    ],
)
def test_a_value_is_read_as_the_grammar_says(value: str, permission: Permission | None):
    assert read_permission(value) == permission


@pytest.mark.parametrize(
    "records",
    [
        [f'0 issue "{OURS}"'],
        ['0 issue "ca.example"'],
        [f'0 ISSUE "{OURS}"'],
        ['0 issue "other.example"', f'0 issue "{OURS}"'],
        ['0 issue ";"', f'0 issue "{OURS}"'],
        [f'128 issue "{OURS}"'],
        ['0 iodef "mailto:security@example.com"'],
        ['0 issuewild ";"'],
        ['0 issuemail ";"', '128 issuevmc "x"'],
        ['0 tbs "unknown and not critical"'],
        [f'0 issue "{OURS}; accounturi={ACCOUNT}"'],
        [f'0 issue "{OURS}; validationmethods=dns-01,http-01"'],
        [f'0 issue "{OURS}; validationmethods=dns-01"', f'0 issue "{OURS}; validationmethods=http-01"'],
        [f'0 issue "{OURS}; policy=ev"'],
    ],
)
def test_records_that_allow_us(records: list[str]):
    assert refused(*records) is None


@pytest.mark.parametrize(
    ("records", "why", "cure"),
    [
        (
            ['0 issue ";"'],
            f'example.com has CAA records that do not allow {OURS} to issue for gw.example.com: 0 issue ";".',
            f'Add the record example.com. IN CAA 0 issue "{OURS}" beside them',
        ),
        (
            ['0 issue "a.example"', '0 issue "b.example"', '0 iodef "mailto:x@example.com"'],
            'gw.example.com: 0 issue "a.example", 0 issue "b.example".',
            f'Add the record example.com. IN CAA 0 issue "{OURS}" beside them',
        ),
        (
            [f'0 issue "{OURS} and others"'],
            f'The CAA record of example.com is not of the form that CAs read, and so allows nobody: 0 issue "{OURS} and others".',
            f'Change it to the record example.com. IN CAA 0 issue "{OURS}"',
        ),
        (
            [f'128 issue "{OURS}; accounturi=https://ca.example/acct/1; policy=ev"'],
            f"The CAA record of example.com allows {OURS} only for another account: 128 issue",
            f'Change it to the record example.com. IN CAA 128 issue "{OURS}; accounturi={ACCOUNT}; policy=ev"',
        ),
        (
            [f'0 issue "{OURS}; accounturi={ACCOUNT}; accounturi={ACCOUNT}"'],
            "only for another account",
            f'0 issue "{OURS}; accounturi={ACCOUNT}"',
        ),
        (
            ['0 issue "ca.example; validationmethods=dns-01"'],
            "The CAA record of example.com allows ca.example only with other methods than http-01: 0 issue",
            'Change it to the record example.com. IN CAA 0 issue "ca.example; validationmethods=dns-01,http-01"',
        ),
        (
            [f'0 issue "{OURS}; validationmethods="'],
            "only with other methods than http-01",
            f'0 issue "{OURS}; validationmethods=http-01"',
        ),
        (
            [f'0 issue "{OURS}; validationmethods=http-01; validationmethods=http-01"'],
            "only with other methods than http-01",
            f'0 issue "{OURS}; validationmethods=http-01,http-01"',
        ),
        (
            [
                f'0 issue "{OURS}; validationmethods=dns-01; accounturi=https://ca.example/acct/1"',
                '0 issue "b.example"',
            ],
            "only with other methods than http-01",
            f'0 issue "{OURS}; validationmethods=dns-01,http-01; accounturi={ACCOUNT}"',
        ),
        (
            ['128 tbs "something new"', f'0 issue "{OURS}"'],
            'example.com has a CAA record that is marked critical, and whose kind CAs don\'t know: 128 tbs "something new".',
            "Remove it, or set its flags to 0",
        ),
    ],
)
def test_records_that_refuse_us_and_what_to_change(records: list[str], why: str, cure: str):
    finding = refusal(*records)
    assert finding.certain
    assert why in finding.cause
    assert cure in finding.fix
    assert finding.fix.endswith(", then: chainwright renew")


def test_a_wildcard_goes_by_issuewild_where_there_is_one():
    both = (f'0 issue "{OURS}"', '0 issuewild "other.example"')
    assert refused(*both) is None
    assert "0 issuewild" in refusal(*both, name="*.example.com").fix
    assert refused('0 issue ";"', f'0 issuewild "{OURS}"', name="*.example.com") is None
    assert "0 issue " in refusal('0 issue "other.example"', name="*.example.com").fix


def test_an_account_url_of_the_ca_s_past_may_be_ours():
    finding = refusal(f'0 issue "{OURS}; accounturi=https://old.ca.example/reg/17"')
    assert not finding.certain
    assert f"seems to allow {OURS} only for another account" in finding.cause


def test_before_there_is_an_account_it_is_not_certain_that_it_is_another_one():
    finding = refusal(f'0 issue "{OURS}; accounturi={ACCOUNT}"', account="")
    assert not finding.certain


@pytest.mark.parametrize("record", ['1 tbs "x"', '128 contactemail "x@example.com"'])
def test_what_only_some_cas_refuse_is_not_certain(record: str):
    assert not refusal(record).certain


def test_a_record_can_not_make_a_sentence_endless_or_unreadable():
    finding = refusal('0 issue "' + "a" * 200 + '"', r'0 issue "\027[31m\010"')
    assert len(finding.cause) < 400
    assert finding.cause.isprintable()


def test_records_of_an_alias_s_target_are_changed_there():
    found = (dns.rdata.from_text("IN", "CAA", f'0 issue "{OURS}; validationmethods=dns-01"'),)
    answer = DnsAnswer(dns.name.from_text("gw.example.com"), found, aliases=(dns.name.from_text("x.cdn.net"),))
    finding = judge("gw.example.com", answer, Applicant((OURS,), ACCOUNT), certain=False)
    assert finding is not None
    assert not finding.certain
    assert finding.cause.startswith("The CAA record of x.cdn.net, which gw.example.com is an alias of, allows")
    assert "the record x.cdn.net. IN CAA" in finding.fix
