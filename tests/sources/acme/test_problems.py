"""Every problem of a CA becomes the error that says what an administrator can do."""

from datetime import UTC, datetime, timedelta

import pytest

from agent.errors import account, acme, validation
from agent.sources.acme.failures import CaProblem, CaUnreachable, Trouble
from agent.sources.acme.messages import ProblemDocument
from agent.sources.acme.problems import next_try, translate

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
URL = "https://acme-v02.api.letsencrypt.org/acme/new-order"
WWW, APEX, WILD, ELSE = "www.example.com", "example.com", "*.example.com", "shop.example.net"
NAMES = frozenset({WWW, APEX, ELSE})
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def refusal(
    kind: str,
    detail: str = "as it says",
    *subproblems: ProblemDocument,
    status: int = 400,
    retry_after: float | None = None,
    resource: str = "newOrder",
    instance: str = "",
) -> CaProblem:
    problem = ProblemDocument(kind, detail, subproblems=subproblems, status=status, instance=instance)
    return CaProblem(problem, url=URL, retry_after=retry_after, resource=resource)


def about(name: str, kind: str, detail: str = "as it says") -> ProblemDocument:
    return ProblemDocument(kind, detail, name=name)


def told(error: CaProblem | CaUnreachable, *, names: frozenset[str] = NAMES, attempts: int = 0, **options):
    options = {"ca": "Let's Encrypt", "chance": lambda: 0.0, **options}
    return translate(error, where="acme", names=names, attempts=attempts, now=NOW, **options)


# When


def test_tries_come_after_a_minute_ten_a_hundred_and_then_once_a_day():
    waits = [next_try(attempts, NOW, lambda: 0.0) - NOW for attempts in range(6)]
    assert waits == [MINUTE, 10 * MINUTE, 100 * MINUTE, DAY, DAY, DAY]


@pytest.mark.parametrize(
    ("error", "earliest"),
    [
        (refusal("serverInternal", status=500), None),
        (refusal("serverInternal", status=500, retry_after=7200.0), 2 * HOUR),
        (refusal("rateLimited", status=429), HOUR),
        (refusal("rateLimited", status=429, retry_after=7200.0), 2 * HOUR),
        (refusal("busy", status=503), HOUR),
        (refusal("busy", status=503, retry_after=10.0**6), 2 * DAY),
        (refusal("rateLimited", "paused, see https://ca.example/unpause?jwt=x", status=429), DAY),
        (CaUnreachable("no answer", url=URL, trouble=Trouble.NETWORK), None),
        (CaUnreachable("it asks to wait", url=URL, trouble=Trouble.BUSY, retry_after=7200.0), 2 * HOUR),
    ],
)
def test_what_the_ca_allows_is_told_apart_from_the_agents_own_pauses(error, earliest):
    found = told(error, attempts=7)
    assert found.earliest == (NOW + earliest if earliest else None)
    assert found.retry_at >= (found.earliest or NOW)


def test_no_two_appliances_come_back_at_the_same_instant():
    assert next_try(3, NOW, lambda: 0.5) - NOW == DAY * 1.05
    assert len({next_try(0, NOW) for _ in range(10)}) > 1


@pytest.mark.parametrize(
    ("asked", "wait"),
    [(None, MINUTE), (5, MINUTE), (3600, HOUR), (10**6, timedelta(days=2))],
)
def test_a_failure_of_the_ca_is_tried_again_not_before_it_wants(asked, wait):
    assert told(refusal("serverInternal", status=500, retry_after=asked)).retry_at == NOW + wait


@pytest.mark.parametrize(
    ("asked", "wait"),
    [(5, MINUTE), (3600, HOUR), (34 * 3600, 34 * HOUR), (10**7, timedelta(days=2))],
)
def test_a_limit_is_waited_for_within_reason(asked, wait):
    assert told(refusal("rateLimited", status=429, retry_after=asked), attempts=3).retry_at == NOW + wait


@pytest.mark.parametrize("status", [429, 503])
def test_a_ca_that_does_not_say_when_it_allows_more_is_asked_ever_less_often(status):
    pauses = [told(refusal("rateLimited", status=status), attempts=each) for each in range(5)]
    day = timedelta(days=1)
    assert [each.retry_at - NOW for each in pauses] == [HOUR, HOUR, 100 * MINUTE, day, day]
    assert all(each.counts for each in pauses), "else the attempts would not grow"
    assert not told(refusal("rateLimited", status=status, retry_after=60)).counts


def test_after_a_limit_not_everyone_comes_in_the_same_second():
    late = told(refusal("rateLimited", status=429, retry_after=3600), chance=lambda: 1.0)
    assert late.retry_at == NOW + HOUR + MINUTE


# No answer


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (Trouble.NETWORK, acme.CaUnreached),
        (Trouble.UNTRUSTED, acme.CaUntrusted),
        (Trouble.TRUST_FILE, acme.TrustFileUnusable),
        (Trouble.BUSY, acme.CaBusy),
        (Trouble.BROKEN, acme.CaFailed),
        (Trouble.NO_DIRECTORY, acme.NoDirectory),
    ],
)
def test_each_trouble_has_its_own_cure(trouble, kind):
    error = told(CaUnreachable("it is so", url=URL, trouble=trouble, trust="/etc/ca.pem", retry_after=120))
    assert type(error) is kind
    assert error.retry_at == NOW + 2 * MINUTE
    assert error.problem.where == "acme"


def test_a_ca_without_a_name_is_called_by_its_host():
    error = told(CaUnreachable("it is so", url=URL, trouble=Trouble.NETWORK), ca="")
    assert str(error).startswith("acme: acme-v02.api.letsencrypt.org can't be reached: it is so.")


@pytest.mark.parametrize(
    ("url", "ca", "said"),
    [
        ("https://127.0.0.1:14000/dir", "", "127.0.0.1:14000 can't be reached: it is so."),
        ("https://[::1]:14000/dir", "", "[::1]:14000 can't be reached: it is so."),
        ("https://ca.test:443/dir", "", "ca.test can't be reached: it is so."),
        ("https://ca.test:8443/dir", "Our CA", "Our CA can't be reached at ca.test:8443: it is so."),
    ],
)
def test_a_port_that_is_not_the_usual_one_is_named(url, ca, said):
    assert told(CaUnreachable("it is so", url=url, trouble=Trouble.NETWORK), ca=ca).problem.cause == said


@pytest.mark.parametrize("url", ["http://[::1", "/order/1", ""])
def test_an_address_that_is_none_is_told_as_it_is(url):
    error = told(CaUnreachable("its address can't be used", url=url, trouble=Trouble.NETWORK), ca="The CA")
    assert "The CA can't be reached" in str(error)


# Refusals

KINDS = [
    ("userActionRequired", account.TermsNotAgreed),
    ("externalAccountRequired", account.ExternalAccountMissing),
    ("invalidContact", account.ContactRefused),
    ("unsupportedContact", account.ContactRefused),
    ("accountDoesNotExist", account.AccountUnknown),
    ("badSignatureAlgorithm", account.AccountKeyRefused),
    ("unauthorized", account.AccountRefused),
    ("rejectedIdentifier", validation.NamesRejected),
    ("unsupportedIdentifier", validation.NamesRejected),
    ("caa", validation.ValidationFailed),
    ("dns", validation.ValidationFailed),
    ("dnssec", validation.ValidationFailed),
    ("connection", validation.ValidationFailed),
    ("tls", validation.ValidationFailed),
    ("incorrectResponse", validation.ValidationFailed),
    ("invalidProfile", acme.ProfileRefused),
    ("badCSR", acme.SigningRequestRefused),
    ("badPublicKey", acme.SigningRequestRefused),
    ("badNonce", acme.CaFailed),
    ("serverInternal", acme.CaFailed),
    ("rateLimited", acme.RateLimited),
    ("malformed", acme.CaRefused),
    ("orderNotReady", acme.CaRefused),
    ("alreadyReplaced", acme.CaRefused),
    ("about:blank", acme.CaRefused),
    ("https://ca.example/problems/own", acme.CaRefused),
]


@pytest.mark.parametrize(("kind", "error"), KINDS)
def test_each_type_of_problem_is_told_apart(kind, error):
    assert type(told(refusal(kind))) is error


def test_what_another_account_or_other_settings_must_cure_is_not_tried_again_by_itself():
    permanent = {kind for kind, _ in KINDS if told(refusal(kind)).retry_at is None}
    assert permanent == {
        *("userActionRequired", "externalAccountRequired", "invalidContact", "unsupportedContact"),
        *("badSignatureAlgorithm", "invalidProfile", "badCSR", "badPublicKey"),
    }


def test_a_rejected_name_is_looked_at_once_a_day():
    assert told(refusal("rejectedIdentifier")).retry_at == NOW + DAY


def test_a_refused_account_is_tried_again_soon_and_then_ever_later_as_the_ca_may_take_it_back():
    delays = [told(refusal("unauthorized"), attempts=number).retry_at - NOW for number in range(4)]
    assert delays == [timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=100), DAY]


def test_an_external_account_that_is_refused_is_named():
    for kind in ("unauthorized", "malformed", "externalAccountRequired"):
        error = told(refusal(kind, resource="newAccount"), external_account="kid-1")
        assert type(error) is account.ExternalAccountRefused
        assert '"kid-1"' in str(error)


def test_a_key_that_is_refused_is_that_of_the_account_or_that_of_the_chain():
    assert type(told(refusal("badPublicKey", resource="newAccount"))) is account.AccountKeyRefused
    imported = told(refusal("badSignatureAlgorithm"), algorithm="RS256")
    assert "which signs by RS256" in imported.problem.cause
    assert imported.problem.fix.endswith(": chainwright acme rekey")
    assert type(told(refusal("badPublicKey", resource=""))) is acme.SigningRequestRefused


@pytest.mark.parametrize("kind", ["unauthorized", "badRevocationReason", "malformed"])
def test_a_revocation_that_is_refused_is_told_as_one(kind):
    assert type(told(refusal(kind, resource="revokeCert"))) is acme.RevocationRefused


def test_terms_that_have_changed_are_told_with_their_address():
    error = told(refusal("userActionRequired", instance="https://ca.example/terms/2"))
    assert "Open https://ca.example/terms/2 and follow it" in str(error)


def test_a_ca_that_is_overloaded_says_so_with_a_problem_too():
    error = told(refusal("rateLimited", "Service busy; retry later.", status=503, retry_after=30))
    assert type(error) is acme.CaBusy
    assert not error.counts


def test_a_failed_server_is_no_refusal_whatever_its_type():
    assert type(told(refusal("malformed", status=500))) is acme.CaFailed


# Names


def test_a_validation_that_failed_names_each_name_with_the_ca_s_words():
    failed = refusal("connection", "x", about(WWW, "connection", "Timeout."), about(APEX, "dns", "NXDOMAIN"), status=0)
    error = told(failed, passed=frozenset({ELSE}))
    assert type(error) is validation.ValidationFailed
    assert "www.example.com (connection: Timeout); example.com (dns: NXDOMAIN)." in str(error)
    assert (error.failed, error.passed) == ({WWW, APEX}, {ELSE})
    assert error.problem.detail == "connection: x\nconnection (www.example.com): Timeout.\ndns (example.com): NXDOMAIN"


def test_unauthorized_in_a_challenge_is_about_the_name_and_not_about_the_account():
    failed = refusal("unauthorized", "Invalid response", about(WWW, "unauthorized"), status=0)
    assert type(told(failed)) is validation.ValidationFailed


def test_the_worst_of_several_problems_decides():
    limited, rejected = about(APEX, "rateLimited"), about(ELSE, "rejectedIdentifier")
    assert type(told(refusal("malformed", "", about(WWW, "connection"), limited))) is acme.RateLimited
    error = told(refusal("malformed", "", about(WWW, "connection"), limited, rejected))
    assert type(error) is validation.NamesRejected
    assert error.failed == {WWW, APEX, ELSE}


def test_a_wildcard_is_known_by_its_authorization_s_name():
    failed = refusal("dns", "", about(APEX, "dns"), status=0)
    assert told(failed, names=frozenset({WILD, WWW})).failed == {WILD}


def test_a_problem_without_a_name_is_that_of_the_only_one():
    failed = refusal("connection", "Timeout", status=0)
    assert told(failed, names=frozenset({WWW})).failed == {WWW}
    assert told(failed).failed == frozenset()


def test_a_name_that_nobody_asked_for_is_not_said_to_have_failed():
    assert told(refusal("dns", "", about("other.example.org", "dns"), status=0)).failed == frozenset()


@pytest.mark.parametrize(
    ("detail", "failed"),
    [
        ('too many failed authorizations (5) for "www.example.com" in the last 1h0m0s, retry after x', {WWW}),
        ('too many certificates (50) already issued for "example.com" in the last 168h0m0s', {WWW, APEX, WILD}),
        ("too many new orders (300) from this account in the last 3h0m0s", set()),
    ],
)
def test_the_names_that_a_limit_is_about_are_found_in_its_words(detail, failed):
    error = told(refusal("rateLimited", detail, status=429), names=NAMES | {WILD})
    assert error.failed == failed


@pytest.mark.parametrize(("kind", "status"), [("rateLimited", 429), ("unauthorized", 403)])
def test_paused_names_are_told_with_the_page_that_lets_them_go_on(kind, status):
    detail = (
        "Your account is temporarily prevented from requesting certificates for www.example.com, shop.example.net "
        "and possibly others. Please visit: https://portal.letsencrypt.org/sfe/v1/unpause?jwt=abc.def"
    )
    error = told(refusal(kind, detail, status=status))
    assert type(error) is acme.NamesPaused
    assert error.failed == {WWW, ELSE}
    assert "https://portal.letsencrypt.org/sfe/v1/unpause?jwt=abc.def, then:" in str(error)
    assert (error.retry_at, error.counts) == (NOW + DAY, False)


def test_paused_names_in_other_words_are_told_too():
    error = told(
        refusal("rateLimited", "Paused. See https://portal.letsencrypt.org/sfe/v1/unpause?jwt=abc", status=429)
    )
    assert "has paused some of the names" in str(error)
