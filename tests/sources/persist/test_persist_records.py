"""The record of a name for dns-persist-01, and what is said of those that are in a zone."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import persist
from agent.errors.wording import quoted
from agent.model.persistent import PersistentRecord
from agent.sources.acme.messages import Account, Directory
from agent.sources.acme.persist.account import PersistAccount, account_at, is_announced
from agent.sources.acme.persist.judging import Judgement, Wanted, judge
from agent.sources.acme.persist.reading import NoIssueValue, read_record
from agent.sources.acme.persist.record import record_of

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
URL = "https://ca.example/acct/123"
THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
"""Of the key of RFC 7638 section 3.1."""
FIRST = PersistAccount(("authority.example", "ca.example.net"), URL, THUMBPRINT, ca="Authority")
SECOND = replace(FIRST, hash_prefix="https://ca.example/account-hash/")
OWNER = "_validation-persist.example.com"
GOOD = f"authority.example; accounturi={URL}"
WILD = f"{GOOD}; policy=wildcard"
LONG = "https://ca.example/" + "a" * 10_000
LETTERS = ": not every CA takes other letters."


def wanted(name: str = "example.com", account: PersistAccount = FIRST, *, shares: bool = False) -> Wanted:
    return Wanted(name, account, NOW, NOW + timedelta(minutes=5), shares)


def judged(*values: str, name: str = "example.com", account: PersistAccount = FIRST) -> Judgement:
    return judge([(each,) for each in values], wanted(name, account))


def test_the_record_of_draft_01_names_the_account() -> None:
    assert record_of("example.com", FIRST, wildcard=False) == PersistentRecord(OWNER, GOOD)


def test_a_name_and_its_wildcard_share_one_record() -> None:
    assert wanted("*.example.com").record == PersistentRecord(OWNER, WILD)
    assert wanted("example.com", shares=True).record == PersistentRecord(OWNER, WILD)


def test_the_record_of_draft_02_hashes_the_account() -> None:
    """The values are those of the draft."""
    hashed = "https://ca.example/account-hash/sha-256/5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw"
    for_any = "https://ca.example/account-hash/sha-256/NpDnSwUthQK8zCgFdefYxAdAVPnygMLbs9US6oO-5ug"
    assert SECOND.uris_for("example.com") == (hashed, for_any)
    assert record_of("example.com", SECOND, wildcard=False).value == f"authority.example; accounturi={hashed}"
    for each in (hashed, for_any):
        assert judged(f"authority.example; accounturi={each}", account=SECOND).error is None


def test_a_record_can_end() -> None:
    record = record_of("example.com", FIRST, wildcard=True, until=NOW)
    assert record.value == f"{WILD}; persistUntil={SECONDS}"
    assert record.zone_line == f'{OWNER}. 3600 IN TXT "{WILD}; persistUntil={SECONDS}"'


def test_a_long_record_is_kept_in_one_string_by_leaving_out_blanks() -> None:
    account = replace(FIRST, url="https://ca.example/" + "a" * (255 - 18 - 12 - 19 - 15))
    value = record_of("example.com", account, wildcard=True).value
    assert (len(value), " " in value) == (255, False)
    assert judged(value, name="*.example.com", account=account).error is None


def test_a_record_that_one_string_can_not_hold_is_taken_in_several() -> None:
    account = replace(FIRST, url="https://ca.example/" + "a" * 300)
    record = record_of("example.com", account, wildcard=False)
    assert len(record.strings) == 2
    assert record.zone_line.count('"') == 4
    assert judge([record.strings], wanted(account=account)).error is None


def at_directory(**meta: object) -> PersistAccount:
    account = Account("https://ca.example/dir", URL, THUMBPRINT)
    return account_at(Directory.from_json({"meta": meta}), account, "Authority")


def test_the_directory_tells_the_drafts_apart() -> None:
    named, prefix = {"issuerDomainNames": ["ca.example"], "caaIdentities": ["other.example"]}, "https://ca.example/h/"
    assert at_directory(caaIdentities=["CA.example"]) == replace(FIRST, issuers=("ca.example",))
    assert at_directory(accountHashPrefix=prefix, caaIdentities=["ca.example"]).hash_prefix == "", "it names no issuers"
    second = at_directory(accountHashPrefix=prefix, **named)
    assert (second.hash_prefix, second.issuers) == (prefix, ("ca.example",))
    assert is_announced(Directory.from_json({"meta": {"accountHashPrefix": prefix, **named}}))
    assert not is_announced(Directory.from_json({"meta": named}))
    assert not is_announced(Directory.from_json({}))


@pytest.mark.parametrize(
    "useless",
    [
        [],
        ["x"] * 11,
        [1],
        "ca.example",
        ["a" * 254],
        None,
        ["x"] * 100_000,
        ["ca.example\n"],
        ["ca.example; policy=wildcard"],
        ["<b>"],
        ["\x1b[2J"],
    ],
)
def test_a_directory_that_names_no_issuer_is_of_no_use(useless: object) -> None:
    with pytest.raises(persist.IssuersUnknown) as caught:
        at_directory(issuerDomainNames=useless)
    assert caught.value.problem.cause == (
        "Authority names neither issuerDomainNames nor caaIdentities in its directory, so no record can be made for it."
    )


@pytest.mark.parametrize("url", ["https://ca.example/a;b", "https://ca.example/a b", "https://ca.example/\x1b", LONG])
def test_an_account_that_no_record_can_name_is_told(url: str) -> None:
    account = Account("https://ca.example/dir", url, THUMBPRINT)
    with pytest.raises(persist.AccountUnwritable) as caught:
        account_at(Directory.from_json({"meta": {"caaIdentities": ["ca.example"]}}), account, "Authority")
    assert caught.value.problem.lines() == [
        f"acme: Authority gives the account the address {quoted(url)}, which no TXT record for dns-persist-01 can hold.",
        "Let names be proved otherwise: challenges in its table",
    ]


def test_a_prefix_of_hashes_that_no_record_can_hold_is_none() -> None:
    for prefix in ("https://ca.example/;policy=wildcard ", "https://ca.example/\n", LONG, "\x1b[2J"):
        meta = {"issuerDomainNames": ["ca.example"], "accountHashPrefix": prefix}
        assert at_directory(**meta).hash_prefix == ""
        assert not is_announced(Directory.from_json({"meta": meta}))


def test_of_very_many_names_of_a_ca_few_are_told() -> None:
    meta = {"caaIdentities": [f"ca{number}.example" for number in range(100_000)]}
    judgement = judged(f"other.example; accounturi={URL}", account=at_directory(**meta))
    assert judgement.error is not None
    assert judgement.error.problem.cause == (
        'The TXT record at _validation-persist.example.com names "other.example" as the CA, '
        "and Authority goes by ca0.example, ca1.example, ca2.example and 99997 more."
    )


@pytest.mark.parametrize(
    "value",
    [
        GOOD,
        WILD,
        GOOD.replace("; ", ";"),
        f"ca.example.net; accounturi={URL}",
        f"{GOOD}; colour=green",
        f"{GOOD}; persistUntil={SECONDS + 1}",
        f"{GOOD}; policy=other",
    ],
)
def test_what_is_right(value: str) -> None:
    assert judged(value).error is None


def test_one_right_record_among_others_is_enough() -> None:
    others = ["", "v=spf1 -all", "other.example; accounturi=https://other.example/1", f"{GOOD};", GOOD.upper()]
    assert judged(*others, GOOD).error is None


def test_the_end_is_that_of_the_record_that_lasts_longest() -> None:
    soon, late = (f"{GOOD}; persistUntil={SECONDS + each}" for each in (60, 120))
    assert judged(soon, late).until == NOW + timedelta(seconds=120)
    assert judged(soon, GOOD).until is None


@pytest.mark.parametrize(
    ("value", "name", "kind", "cause"),
    [
        (
            f"authority.example; accounturi={URL}4",
            "example.com",
            persist.OtherAccount,
            f'The TXT record at {OWNER} names another account, "{URL}4", not {URL}.',
        ),
        (
            "authority.example; accounturi=https://ca.example/account-hash/sha-256/NpDnSwUthQK8zCgF",
            "example.com",
            persist.OtherDraft,
            (
                f"The TXT record at {OWNER} names an account by its hash, "
                '"https://ca.example/account-hash/sha-256/NpDnSwUthQK8zCgF", and Authority goes by its URL.'
            ),
        ),
        (
            f"other.example; accounturi={URL}",
            "example.com",
            persist.OtherIssuer,
            f'The TXT record at {OWNER} names "other.example" as the CA, and Authority goes by {", ".join(FIRST.issuers)}.',
        ),
        (
            f"Authority.Example; accounturi={URL}",
            "example.com",
            persist.CapitalLetters,
            f'The TXT record at {OWNER} has "Authority.Example" where it has to be authority.example{LETTERS}',
        ),
        (
            f"{GOOD}; persistuntil={SECONDS + 60}",
            "example.com",
            persist.CapitalLetters,
            f'The TXT record at {OWNER} has "persistuntil" where it has to be persistUntil{LETTERS}',
        ),
        (
            f"{GOOD}; policy=Wildcard",
            "*.example.com",
            persist.CapitalLetters,
            f'The TXT record at {OWNER} has "policy=Wildcard" where it has to be policy=wildcard{LETTERS}',
        ),
        (
            f"{GOOD};",
            "example.com",
            persist.TrailingSemicolon,
            f"The TXT record at {OWNER} ends with a semicolon, which not every CA takes.",
        ),
        (
            GOOD,
            "*.example.com",
            persist.WildcardUnproved,
            f"The TXT record at {OWNER} has no policy=wildcard, so it does not prove *.example.com.",
        ),
        (
            f'"{WILD}"',
            "*.example.com",
            persist.RecordUnreadable,
            f"The TXT record at {OWNER} can't be read: its value has quotation marks around it, as they belong to a file.",
        ),
        (
            f'{OWNER}. 3600 IN TXT "{WILD}"',
            "*.example.com",
            persist.RecordUnreadable,
            f"The TXT record at {OWNER} can't be read: it is a whole line of a zone's file, where the value alone belongs.",
        ),
        (
            f"{GOOD}; accounturi={URL}",
            "example.com",
            persist.ParameterRepeated,
            f"The TXT record at {OWNER} has accounturi more than once.",
        ),
        (
            f"{GOOD}; persistUntil=tomorrow",
            "example.com",
            persist.UntilUnreadable,
            f'The TXT record at {OWNER} says persistUntil="tomorrow", which is no number of seconds since 1970.',
        ),
        (
            f"{GOOD}; persistUntil={SECONDS}",
            "example.com",
            persist.RecordExpired,
            f"The TXT record at {OWNER} has ended at 2026-11-01T12:00:00Z (persistUntil).",
        ),
        (
            "authority.example; policy=wildcard",
            "example.com",
            persist.AccountMissing,
            f"The TXT record at {OWNER} has no accounturi.",
        ),
        (
            f"authority.example accounturi={URL}",
            "example.com",
            persist.RecordUnreadable,
            f"The TXT record at {OWNER} can't be read: it does not begin with the name of a CA.",
        ),
        (
            f"{GOOD}; wildcard",
            "example.com",
            persist.RecordUnreadable,
            f'The TXT record at {OWNER} can\'t be read: "wildcard" is no parameter.',
        ),
    ],
)
def test_what_is_wrong(value: str, name: str, kind: type[persist.PersistError], cause: str) -> None:
    error = judged(value, name=name).error
    assert error is not None
    assert type(error) is kind
    right = WILD if name.startswith("*") else GOOD
    assert (error.problem.cause, error.failed) == (cause, {name})
    assert error.problem.fix.endswith(right)


def test_a_record_in_two_strings_is_told_to_be_one() -> None:
    error = judge([(GOOD[:20], GOOD[20:])], wanted()).error
    assert error is not None
    assert error.problem.cause == (
        f"The TXT record at {OWNER} has {len(GOOD)} octets in 2 strings, and not every CA reads more than the first."
    )
    assert error.problem.fix == f"Write it as one string: {GOOD}"


def test_no_record_tells_what_is_there_for_others() -> None:
    error = judged("other.example; accounturi=https://other.example/1", "v=spf1 -all").error
    assert error is not None
    assert error.problem.cause == (
        f"There is no TXT record for Authority at {OWNER} (there are others: "
        '"other.example; accounturi=https://other.example/1", "v=spf1 -all").'
    )
    assert error.problem.fix == f"Set this TXT record at {OWNER}: {GOOD}"
    nothing = judged().error
    assert nothing is not None
    assert nothing.problem.cause == f"There is no TXT record for Authority at {OWNER}."


def test_with_draft_02_a_record_of_draft_01_is_told_from_one_of_another_account() -> None:
    error = judged(GOOD, account=SECOND).error
    assert isinstance(error, persist.OtherDraft)
    assert error.problem.cause == (
        f'The TXT record at {OWNER} names an account by its URL, "{URL}", and Authority goes by its hash.'
    )
    assert isinstance(judged(f"authority.example; accounturi={URL}4", account=SECOND).error, persist.OtherAccount)


LABELS = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
DOMAINS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
URLS = st.from_regex(r"https://[a-z]{1,20}/[!-:<-~]{0,200}", fullmatch=True)
ACCOUNTS = st.builds(
    PersistAccount,
    st.lists(DOMAINS, min_size=1, max_size=10).map(tuple),
    URLS,
    st.just(THUMBPRINT),
    st.sampled_from(["", "https://ca.example/h/"]),
)
ENDS = st.none() | st.integers(1, 10**6).map(lambda each: NOW + timedelta(seconds=each))


@given(DOMAINS, ACCOUNTS, st.booleans(), ENDS)
def test_what_is_made_is_right(domain: str, account: PersistAccount, wildcard: bool, until: datetime | None) -> None:
    record = record_of(domain, account, wildcard=wildcard, until=until)
    found = judge([("noise",), record.strings], wanted(f"*.{domain}" if wildcard else domain, account))
    assert (found.error, found.until) == (None, until)


@given(DOMAINS, ACCOUNTS, ACCOUNTS)
def test_what_is_made_for_another_is_not_right(domain: str, account: PersistAccount, other: PersistAccount) -> None:
    record = record_of(domain, other, wildcard=True)
    same = other.issuers[0] in account.issuers and other.uri_for(domain) in account.uris_for(domain)
    assert (judge([record.strings], wanted(domain, account)).error is None) == same


@given(st.lists(st.lists(st.text(max_size=60), max_size=3).map(tuple), max_size=4), st.booleans())
def test_whatever_is_in_the_zone_is_judged(records: list[tuple[str, ...]], wildcard: bool) -> None:
    error = judge(records, wanted("*.example.com" if wildcard else "example.com")).error
    assert error is not None
    assert error.problem.fix.endswith(WILD if wildcard else GOOD)


@given(st.text(alphabet=";= abAB*.\t", max_size=40))
def test_reading_takes_or_refuses_any_text(text: str) -> None:
    with contextlib.suppress(NoIssueValue):
        found = read_record([text])
        assert found.issuer
        assert all(tag and ";" not in value for tag, value in found.parameters)
