"""What errors carry beside their sentences: names, output, places, when it is tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import BaseModel, ValidationError

from agent.errors import SourceError
from agent.errors.acme import CaBusy, CaFailed, NamesPaused
from agent.errors.deploy import DeployError
from agent.errors.http01 import AnsweredByAnother, Http01Error
from agent.errors.limits import in_words
from agent.errors.name import NameInvalid
from agent.errors.persist import PersistError
from agent.errors.plugin import ModuleRaised
from agent.errors.preflight import PreflightStopped
from agent.errors.settings import SettingsRefused
from agent.errors.validation import HINTS, NameFailure, ValidationFailed
from agent.errors.wording import LONGEST
from errors.examples import AT, EXAMPLES, FILE, GW, LATE, LE, MAIN, OUTPUT, PORT, SHOP, WEBROOT, WWW, missing

OF_SOURCES = [error for error in EXAMPLES if isinstance(error, SourceError)]


def test_what_only_the_settings_or_a_person_can_cure_is_not_tried_again():
    codes = {error.code.removeprefix("source.") for error in OF_SOURCES if error.retry_at is None}
    assert codes == {
        *("cancelled", "held", "not_revocable", "rekey_unfinished", "terms_not_agreed", "external_account_missing"),
        *("external_account_refused", "contact_refused", "account_key_refused", "profile_refused", "profile_missing"),
        "not_asked",
        *("dns_record_left", "revocation_undone", "acme_dns_unregistered", "acme_dns_too_many"),
        *("dns_script_missing", "rfc_name_outside", "rfc_record_outside"),
        *("signing_request_refused", "revocation_refused", "challenge_missing", "persist_no_issuers"),
        *("persist_not_taken", "persist_account_url"),
    }


def test_waiting_for_the_ca_or_for_this_machine_is_no_failure_in_a_row():
    codes = {error.code.removeprefix("source.") for error in OF_SOURCES if not error.counts}
    assert codes == {
        *("ca_busy", "rate_limited", "names_paused", "rate_limit_ahead", "rate_limit_in_force", "preflight"),
        *(
            "another_node",
            "not_asked",
            "window_unopened",
            "unseen_from_outside",
            "answered_by_another",
            "port_forbidden",
            "port_unusable",
            "webroot_unwritable",
            "token_malformed",
            "nothing_proves",
            "key_given_up",
        ),
        *(error.code.removeprefix("source.") for error in OF_SOURCES if isinstance(error, PersistError)),
    }


@pytest.mark.parametrize(
    ("code", "failed"),
    [
        ("names_paused", {WWW, SHOP}),
        ("rate_limit_ahead", set()),
        ("rate_limit_in_force", {WWW}),
        ("validation_failed", {WWW}),
        ("names_rejected", {WWW}),
        ("challenge_missing", {SHOP}),
        ("nothing_proves", {WWW}),
        ("preflight", {GW}),
    ],
)
def test_an_error_knows_which_names_it_is_about(code: str, failed: set[str]):
    first = next(error for error in OF_SOURCES if error.code == f"source.{code}")
    assert first.failed == failed
    assert first.passed == ({SHOP} if code == "validation_failed" else set())


@pytest.mark.parametrize("error", [each for each in EXAMPLES if isinstance(each, Http01Error)], ids=lambda e: e.code)
def test_whatever_is_wrong_at_the_port_is_about_the_names_that_were_looked_at(error: Http01Error):
    assert (error.failed, error.passed) == ({SHOP}, frozenset())


def test_what_was_seen_of_each_name_is_kept():
    error = AnsweredByAnother({SHOP: "one thing", WWW: "another"}, 80, WEBROOT, AT)
    assert error.problem.detail == f"{SHOP}: one thing\n{WWW}: another"


def test_many_names_are_counted_and_long_words_are_cut():
    names = frozenset(f"{number}.example.com" for number in range(5))
    assert "0.example.com, 1.example.com, 2.example.com and 2 more," in str(NamesPaused(LE, names, "", AT))
    assert len(CaFailed(LE, "x" * 5000, AT).problem.cause) < LONGEST + 100
    failures = [NameFailure(name, "dns", "NXDOMAIN") for name in sorted(names)]
    assert "2.example.com (dns: NXDOMAIN); and 2 more." in ValidationFailed(LE, failures, AT).problem.cause


@pytest.mark.parametrize("kind", HINTS)
def test_every_hint_names_the_name(kind: str):
    assert WWW in ValidationFailed(LE, [NameFailure(WWW, kind, "x")], AT).problem.fix


def test_an_error_can_be_told_of_another_place():
    assert str(CaBusy(LE, AT).at("mail")).startswith("mail: Let's Encrypt ")


def test_a_reason_for_the_whole_order_is_no_fault_of_a_name_and_every_reason_is_in_the_detail():
    error = PreflightStopped([missing(GW), LATE], AT)
    assert error.failed == frozenset()
    assert error.problem.detail == f"{missing(GW).cause} {missing(GW).fix}\n{LATE.cause} {LATE.fix}"


def test_what_the_service_printed_is_kept_whole_beside_the_sentence():
    printed = {type(error).__name__: error.problem.detail for error in EXAMPLES if isinstance(error, DeployError)}
    assert {name for name, detail in printed.items() if detail == OUTPUT} == {
        *(
            "PrepareFailed",
            "CheckRefused",
            "NextStartFails",
            "LeftOut",
            "NotDiagnosed",
            "ServiceRefusesPresent",
            "ReloadFailed",
            "NotConfirmed",
            "NotTakenOut",
            "StartFailed",
        ),
    }


def test_a_validator_may_raise_that_a_name_is_invalid_and_a_terminal_is_safe_from_it():
    error = NameInvalid("a\x1b[2J\nb", "no")
    assert isinstance(error, ValueError)
    assert str(error).startswith('"a\\x1b[2J\\nb" is')
    assert f'"{"a" * 77}..."' in str(NameInvalid("a" * 200, "it is too long"))


def test_each_error_of_the_settings_is_kept_as_data():
    assert [each.to_json() for each in SettingsRefused((PORT, FILE)).errors] == [
        {"file": MAIN, "table": "modules.mail", "key": "port", "cause": PORT.cause},
        {"file": FILE.file, "table": "", "key": "", "cause": FILE.cause},
    ]


def test_the_detail_is_the_place_in_the_plugin():
    with pytest.raises(ValueError, match="invalid literal") as raised:
        _fail()
    detail = ModuleRaised("mail", "declare_needs", raised.value).problem.detail
    assert detail.endswith(f', line {_fail.__code__.co_firstlineno + 1}, in _fail: int("x")')
    assert detail.startswith(f'File "{__file__}"')


def _fail() -> None:
    int("x")


def test_values_that_pydantic_would_quote_are_not_shown():
    class Login(BaseModel):
        password: int

    with pytest.raises(ValidationError) as raised:
        Login.model_validate({"password": "hunter2"})
    error = ModuleRaised("mail", "declare_needs", raised.value)
    assert "hunter2" not in str(error)
    assert "password: Input should be a valid integer" in str(error)


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (timedelta(days=7), "7 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(hours=3), "3 hours"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(seconds=90), "90 seconds"),
    ],
)
def test_times_are_written_in_the_largest_whole_unit(window: timedelta, words: str):
    assert in_words(window) == words


@pytest.mark.parametrize(
    ("failure", "cure"),
    [
        (
            NameFailure("*.example.com", "dns", "NXDOMAIN", "dns-01"),
            (
                "Correct the DNS of example.com: each of its name servers must answer, and have the TXT record at "
                "_acme-challenge.example.com, then: chainwright renew"
            ),
        ),
        (
            NameFailure("*.example.com", "malformed", "-", "dns-01"),
            (
                "Let each name server of example.com show the world the TXT record at _acme-challenge.example.com, "
                "then: chainwright renew"
            ),
        ),
        (
            NameFailure("*.example.com", "unauthorized", "-", "dns-persist-01"),
            (
                "Compare the TXT record at _validation-persist.example.com with what it has to be: "
                "chainwright acme persist '*.example.com', then: chainwright renew"
            ),
        ),
        (
            NameFailure(WWW, "connection", "refused", "tls-alpn-01"),
            (
                "Let port 443 of www.example.com be reached from the internet, and lead to this machine's TLS without another "
                "server between, then: chainwright renew"
            ),
        ),
    ],
)
def test_the_cure_of_a_failed_validation_is_that_of_its_challenge(failure: NameFailure, cure: str):
    error = ValidationFailed(LE, [failure], AT)
    assert error.problem.fix == cure
    assert error.problem.cause == f"Let's Encrypt could not validate {failure}."


OVER_IPV6 = (
    f"Let port 80 of {WWW} be reached over IPv6 too, which CAs prefer: correct its AAAA record or remove it, "
    "and look at the firewall"
)


@pytest.mark.parametrize(
    ("kind", "words", "hint"),
    [
        (
            "connection",
            "192.0.2.9: Fetching https://shop.example.com/.well-known/acme-challenge/x: Connection refused",
            f"Correct the TLS server that http://{WWW} redirects to, or do not redirect /.well-known/acme-challenge/",
        ),
        ("connection", "2001:db8::9: Fetching http://www.example.com/x: Timeout during connect", OVER_IPV6),
        (
            "unauthorized",
            'Get "http://www.example.com/x": dial tcp [2001:db8::9]:80: connect: no route to host',
            OVER_IPV6,
        ),
        (
            "connection",
            "192.0.2.9: Fetching http://www.example.com/x at 12:30:05: Timeout during connect",
            f"Let port 80 of {WWW} be reached from the internet: DNS, firewall and NAT must lead to this machine",
        ),
    ],
)
def test_the_words_of_a_ca_say_what_to_look_at(kind: str, words: str, hint: str):
    assert NameFailure(WWW, kind, words, "http-01").hint == hint
