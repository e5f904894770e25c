"""The agent never runs into a limit of its CA, and says when the next try is allowed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import pytest

from agent.errors.limits import LimitError, RateLimitAhead, RateLimitInForce
from agent.model.known_cas import KNOWN_DIRECTORIES
from agent.sources.acme.limit_rules import (
    LETS_ENCRYPT,
    OTHERS,
    STAGING,
    LimitKind,
    LimitSettings,
    Scope,
    registered_domain,
    set_of,
)
from agent.sources.acme.limits import LONGEST_BLOCK, UNDER_WAY, Limits, scope_of
from agent.sources.acme.messages import ProblemDocument
from support.cas.certificates import NOW
from support.fakes.source_context import Noting, Remembering

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
LETSENCRYPT = KNOWN_DIRECTORIES["letsencrypt"]
STAGED = KNOWN_DIRECTORIES["letsencrypt-staging"]
ELSEWHERE = "https://ca.example/acme/directory"
WWW, SHOP = "www.example.com", "shop.example.com"


class Appliance:
    """One that can be told what time it is, and restarted."""

    def __init__(self, directory: str = LETSENCRYPT, **settings: int) -> None:
        self.now = NOW
        self.ledger = Noting(lambda: self.now)
        self.memory = Remembering()
        self.directory = directory
        self.settings = LimitSettings(**settings)
        self.limits = self.restarted()

    def restarted(self) -> Limits:
        rules = self.settings.rules(self.directory)
        self.limits = Limits(self.ledger, self.memory, rules, self.directory, "Let's Encrypt")
        return self.limits

    def order(self, *names: str, **how: bool):
        return self.limits.order(names, self.now, **how)

    def check(self, *names: str, **how: bool) -> None:
        self.limits.check(names, self.now, **how)

    def issue(self, *names: str, **how: bool) -> None:
        with self.order(*names, **how):
            self.limits.note_issued(names, **how)

    def refused(self, *names: str, **how: bool) -> LimitError:
        with pytest.raises(LimitError) as raised:
            self.check(*names, **how)
        return raised.value

    def blocked(self, scope: Scope, until) -> None:
        self.limits.block(scope, until, self.now)


@pytest.fixture
def appliance() -> Appliance:
    return Appliance()


# What Let's Encrypt allows


def test_five_chains_a_week_for_exactly_the_same_names(appliance):
    for _ in range(5):
        appliance.issue(WWW, SHOP)
        appliance.now += HOUR
    error = appliance.refused(SHOP, WWW)
    assert error.retry_at == NOW + 7 * DAY
    assert error.problem.cause == (
        "5 of 5 certificates for exactly these names in 7 days are used up at Let's Encrypt;"
        " the next is allowed at 2026-11-08T12:00:00Z."
    )
    appliance.check(WWW)
    appliance.now = error.retry_at
    appliance.issue(WWW, SHOP)
    assert appliance.refused(WWW, SHOP).retry_at == NOW + 7 * DAY + HOUR


def test_fifty_chains_a_week_for_the_names_of_one_domain(appliance):
    for number in range(50):
        appliance.issue(f"host{number}.example.com")
    error = appliance.refused(WWW)
    assert error.retry_at == NOW + 7 * DAY
    assert error.problem.cause.startswith("50 of 50 certificates for names of example.com in 7 days are used up")
    assert "certificates_per_domain in [acme.limits]" in error.problem.fix
    appliance.check("www.example.org")
    appliance.check(WWW, renewal=True)
    appliance.check(WWW, exempt=True)


def test_renewals_use_up_nothing_of_the_domain(appliance):
    for number in range(60):
        appliance.issue(f"host{number}.example.com", renewal=True)
        appliance.issue(f"host{number}.example.com", exempt=True)
    appliance.check(WWW)


def test_three_hundred_orders_in_three_hours(appliance):
    for number in range(300):
        with appliance.order(f"www.{number}.example"):
            pass
    error = appliance.refused("www.example.net")
    assert error.retry_at == NOW + 3 * HOUR
    assert error.problem.cause.startswith("300 of 300 new orders in 3 hours are used up")
    appliance.check("www.example.net", renewal=True)


def test_ten_accounts_in_three_hours(appliance):
    for _ in range(10):
        appliance.limits.check_account(appliance.now)
        appliance.limits.note_account()
    with pytest.raises(RateLimitAhead, match="10 of 10 new accounts in 3 hours") as raised:
        appliance.limits.check_account(appliance.now)
    assert raised.value.retry_at == NOW + 3 * HOUR
    appliance.check(WWW)


@pytest.mark.parametrize("directory", [LETSENCRYPT, STAGED, ELSEWHERE])
@pytest.mark.parametrize("how", [{}, {"renewal": True}, {"exempt": True}])
def test_never_more_than_four_failed_validations_of_a_name_in_an_hour_at_any_ca(directory, how):
    appliance = Appliance(directory)
    for _ in range(4):
        appliance.check(WWW, SHOP, **how)
        appliance.limits.note_failures([WWW])
        appliance.now += 10 * MINUTE
    error = appliance.refused(WWW, SHOP, **how)
    assert error.retry_at == NOW + HOUR
    assert error.failed == {WWW}
    assert error.problem.cause.startswith("4 of 4 failed validations of www.example.com in 1 hour are used up")
    appliance.check(SHOP, **how)
    appliance.now = error.retry_at
    appliance.check(WWW, SHOP, **how)


def test_a_wildcard_fails_with_its_domain(appliance):
    for _ in range(4):
        appliance.limits.note_failures(["*.example.com"])
    assert appliance.refused("example.com").failed == {"example.com"}


def test_a_domain_and_its_wildcard_that_fail_in_one_order_are_two_failures(appliance):
    for _ in range(2):
        appliance.check("example.com", "*.example.com")
        appliance.limits.note_failures(["example.com", "*.example.com"])
    assert appliance.refused("*.example.com").failed == {"example.com"}


def test_several_limits_are_over_when_the_last_is(appliance):
    for _ in range(5):
        appliance.issue(WWW)
    for _ in range(4):
        appliance.limits.note_failures([WWW])
    error = appliance.refused(WWW)
    assert error.retry_at == NOW + 7 * DAY
    assert error.failed == {WWW}


def test_whatever_a_window_lets_through_a_bucket_that_fills_up_slowly_does_too(appliance):
    """Let's Encrypt's own way to count: five tokens, one more each 33.6 hours."""
    tokens, filled_at = 5.0, NOW
    while appliance.now < NOW + 60 * DAY:
        try:
            appliance.check(WWW)
        except LimitError as error:
            appliance.now = error.retry_at
            continue
        tokens = min(5.0, tokens + (appliance.now - filled_at) / (7 * DAY / 5))
        filled_at = appliance.now
        tokens -= 1
        assert tokens >= 0
        appliance.issue(WWW)
        appliance.now += 3 * HOUR


# Other CAs, and what the settings say


def test_the_staging_environment_allows_more():
    appliance = Appliance(STAGED)
    for number in range(60):
        appliance.issue(WWW)
        appliance.issue(f"host{number}.example.com")
    appliance.check(WWW)


def test_of_an_unknown_ca_only_orders_and_failures_are_counted():
    appliance = Appliance(ELSEWHERE)
    for _ in range(999):
        appliance.issue(WWW)
    with appliance.order(WWW):
        pass
    assert appliance.refused(WWW).retry_at == NOW + HOUR


def test_the_settings_say_what_the_ca_allows_you():
    appliance = Appliance(ELSEWHERE, orders=7, certificates_per_domain=2, certificates_per_set=1)
    appliance.issue(WWW)
    assert "1 of 1 certificates for exactly these names" in appliance.refused(WWW).problem.cause
    appliance.issue(SHOP)
    assert "2 of 2 certificates for names of example.com" in appliance.refused("a.example.com").problem.cause
    for number in range(5):
        appliance.issue(f"www.{number}.example")
    assert "7 of 7 new orders" in appliance.refused("www.example.org").problem.cause


def test_without_settings_the_limits_are_those_of_the_ca():
    rules = [LimitSettings().rules(directory) for directory in (LETSENCRYPT, STAGED, ELSEWHERE)]
    assert rules == [LETS_ENCRYPT, STAGING, OTHERS]


def test_what_was_done_at_one_ca_says_nothing_of_another():
    staging = Appliance(STAGED)
    for _ in range(4):
        staging.limits.note_failures([WWW])
    staging.blocked(Scope(LimitKind.EVERYTHING), NOW + HOUR)
    production = Appliance(LETSENCRYPT)
    production.ledger, production.memory = staging.ledger, staging.memory
    production.restarted()
    production.check(WWW)
    staging.refused(WWW)


# Several at once


def test_orders_that_are_under_way_count_until_they_have_ended(appliance):
    for _ in range(4):
        appliance.issue(WWW)
    with appliance.order(WWW):
        error = appliance.refused(WWW)
        assert error.retry_at == NOW + UNDER_WAY
        assert "5 of 5 certificates for exactly these names in 7 days are used up or under way" in error.problem.cause
    appliance.check(WWW)


def test_an_order_that_fails_leaves_its_place_to_the_next(appliance):
    for _ in range(20):
        with pytest.raises(ZeroDivisionError), appliance.order(WWW):
            raise ZeroDivisionError
    appliance.check(WWW)


def test_a_name_that_four_orders_are_about_waits_for_their_end(appliance):
    with ExitStack() as orders:
        for number in range(4):
            orders.enter_context(appliance.order(WWW, f"host{number}.example.com"))
        assert appliance.refused(WWW).retry_at == NOW + UNDER_WAY
    appliance.check(WWW)


def test_an_order_from_before_a_crash_goes_on_whatever_the_limits_say(appliance):
    for _ in range(5):
        appliance.issue(WWW)
    noted = len(appliance.ledger.rows)
    with appliance.order(WWW, begun=True):
        assert len(appliance.ledger.rows) == noted


def test_eight_threads_pass_no_more_than_the_limit_allows():
    appliance = Appliance(orders=1000)
    at_once = threading.Barrier(8)

    def run(thread: int) -> int:
        at_once.wait(20)
        passed = 0
        for number in range(20):
            try:
                with appliance.order(name := f"host{thread}-{number}.example.com"):
                    appliance.limits.note_issued([name])
                    passed += 1
            except RateLimitAhead:
                pass
        return passed

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(run, range(8))) == 50


def test_an_order_that_could_not_be_noted_is_not_under_way(appliance):
    class Full(Noting):
        def note(self, kind, subjects):
            raise OSError("disk full")

    appliance.ledger = Full(lambda: appliance.now)
    limits = appliance.restarted()
    for _ in range(300):
        with pytest.raises(OSError, match="disk full"), limits.order([WWW], NOW):
            pytest.fail("it must not be ordered")
    limits.check([WWW], NOW)


# What the CA says itself


def said(detail: str, name: str = "") -> ProblemDocument:
    return ProblemDocument("rateLimited", detail, name, status=429)


NAMES = (WWW, SHOP, "www.example.co.uk")
SET = set_of(NAMES)


@pytest.mark.parametrize(
    ("problem", "scope"),
    [
        (said("too many new registrations (10) from this IP address in the last 3h0m0s"), Scope(LimitKind.ACCOUNTS)),
        (said("too many new orders (300) from this account in the last 3h0m0s"), Scope(LimitKind.ORDERS)),
        (
            said('too many failed authorizations (5) for "www.example.com" in the last 1h0m0s, retry after 2026-11-01'),
            Scope(LimitKind.FAILURES, WWW),
        ),
        (said('too many failed authorizations (5) for "www.example.net" in the last 1h0m0s'), SET),
        (
            said('too many certificates (50) already issued for "example.co.uk" in the last 168h0m0s'),
            Scope(LimitKind.DOMAIN, "example.co.uk"),
        ),
        (said('too many certificates (50) already issued for "example.net" in the last 168h0m0s'), SET),
        (said("too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s"), SET),
        (said("slow down", "shop.example.com"), Scope(LimitKind.FAILURES, SHOP)),
        (said("slow down"), Scope(LimitKind.EVERYTHING)),
    ],
    ids=lambda value: getattr(value, "detail", "")[:40],
)
def test_a_refusal_is_about_as_little_as_its_words_allow(problem, scope):
    assert scope_of(problem, NAMES) == scope


@pytest.mark.parametrize(
    ("scope", "title", "holds", "passes"),
    [
        (Scope(LimitKind.EVERYTHING), "requests", [{}, {"renewal": True}, {"exempt": True}], []),
        (Scope(LimitKind.ORDERS), "new orders", [{}], [{"renewal": True}, {"exempt": True}]),
        (
            Scope(LimitKind.DOMAIN, "example.com"),
            "certificates for names of example.com",
            [{}],
            [{"renewal": True}, {"exempt": True}],
        ),
        (
            set_of([WWW]),
            "certificates for exactly these names",
            [{}, {"renewal": True}],
            [{"exempt": True}],
        ),
        (Scope(LimitKind.FAILURES, WWW), f"validations of {WWW}", [{}, {"renewal": True}, {"exempt": True}], []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("directory", [LETSENCRYPT, ELSEWHERE])
def test_what_the_ca_refused_is_not_asked_for_until_it_allows_it(scope, title, holds, passes, directory):
    appliance = Appliance(directory)
    appliance.blocked(scope, NOW + HOUR)
    appliance.restarted()
    for how in holds:
        error = appliance.refused(WWW, **how)
        assert isinstance(error, RateLimitInForce)
        assert error.problem.cause == f"Let's Encrypt has asked to wait with {title} until 2026-11-01T13:00:00Z."
        with pytest.raises(RateLimitInForce), appliance.order(WWW, **how):
            pytest.fail("it must not be ordered")
    for how in passes:
        appliance.check(WWW, **how)
    if scope.kind not in {LimitKind.EVERYTHING, LimitKind.ORDERS}:
        appliance.check("www.example.org")
    appliance.now += HOUR
    appliance.check(WWW)


def test_a_name_that_the_ca_wants_to_rest_is_named(appliance):
    appliance.blocked(Scope(LimitKind.FAILURES, WWW), NOW + HOUR)
    assert appliance.refused(WWW, SHOP).failed == {WWW}


def test_accounts_that_the_ca_refused_are_not_asked_for(appliance):
    appliance.blocked(Scope(LimitKind.ACCOUNTS), NOW + HOUR)
    with pytest.raises(RateLimitInForce, match="asked to wait with new accounts"):
        appliance.limits.check_account(appliance.now)
    appliance.check(WWW)


def test_the_longer_one_of_two_waits_counts(appliance):
    appliance.blocked(Scope(LimitKind.EVERYTHING), NOW + HOUR)
    appliance.blocked(Scope(LimitKind.EVERYTHING), NOW + MINUTE)
    assert appliance.refused(WWW).retry_at == NOW + HOUR
    for _ in range(5):
        appliance.limits.note_issued([WWW])
    assert appliance.refused(WWW).retry_at == NOW + 7 * DAY


def test_a_ca_can_not_ask_to_wait_forever(appliance):
    appliance.blocked(Scope(LimitKind.EVERYTHING), NOW + 9999 * DAY)
    assert appliance.refused(WWW).retry_at == NOW + LONGEST_BLOCK


def test_waits_that_are_over_are_forgotten(appliance):
    appliance.blocked(Scope(LimitKind.DOMAIN, "example.com"), NOW + HOUR)
    appliance.now += 2 * HOUR
    appliance.blocked(Scope(LimitKind.ORDERS), appliance.now + HOUR)
    [kept] = appliance.memory.entries.values()
    assert list(kept) == ["orders"]


# A clock that was wrong


@pytest.mark.parametrize("ahead", [2 * HOUR, 3 * DAY, 20 * DAY, 3650 * DAY], ids=str)
def test_what_was_done_while_the_clock_was_ahead_does_not_count(appliance, ahead):
    appliance.now = NOW + ahead
    for _ in range(5):
        appliance.issue(WWW)
    appliance.blocked(Scope(LimitKind.EVERYTHING), appliance.now + HOUR)
    appliance.now = NOW
    appliance.check(WWW)


def test_what_a_ca_said_holds_as_long_as_it_said_and_is_over_where_the_clock_was_behind(appliance):
    appliance.blocked(Scope(LimitKind.EVERYTHING), NOW + 7 * DAY)
    appliance.now = NOW + 7 * DAY - MINUTE
    assert appliance.refused(WWW).retry_at == NOW + 7 * DAY
    appliance.now = NOW - 3650 * DAY
    appliance.blocked(Scope(LimitKind.EVERYTHING), appliance.now + HOUR)
    appliance.now = NOW + 7 * DAY
    appliance.check(WWW)


def test_what_a_ca_said_to_an_earlier_version_holds_within_bounds(appliance):
    appliance.blocked(Scope(LimitKind.EVERYTHING), NOW + HOUR)
    (key,) = appliance.memory.entries
    for until, holds in ((NOW + HOUR, True), (NOW + 3650 * DAY, False)):
        appliance.memory.write(key, {"everything": until.isoformat()})
        if holds:
            assert appliance.refused(WWW).retry_at == until
        else:
            appliance.check(WWW)


def test_a_clock_that_was_set_back_a_little_forgets_nothing(appliance):
    appliance.now = NOW + 5 * MINUTE
    for _ in range(4):
        appliance.limits.note_failures([WWW])
    appliance.now = NOW
    assert appliance.refused(WWW).retry_at == NOW + HOUR


# What people see


def test_how_much_of_each_limit_is_used_up(appliance):
    for _ in range(5):
        appliance.issue(WWW)
    appliance.limits.note_failures([WWW])
    appliance.blocked(Scope(LimitKind.ORDERS), NOW + HOUR)
    rows = [(row.limit, row.used, row.allowed, row.next_at) for row in appliance.limits.standing([WWW], NOW)]
    assert rows == [
        ("failed validations of www.example.com", 1, 4, None),
        ("certificates for exactly these names", 5, 5, NOW + 7 * DAY),
        ("new orders", 5, 300, NOW + HOUR),
        ("certificates for names of example.com", 5, 50, None),
    ]


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("example.com", "example.com"),
        ("a.b.c.example.com", "example.com"),
        ("*.example.com", "example.com"),
        ("www.example.co.uk", "example.co.uk"),
        ("example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("www.example.or.jp", "example.or.jp"),
        ("www.co.example", "co.example"),
        ("home.dyndns.org", "dyndns.org"),
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
    ],
)
def test_the_part_of_a_name_that_somebody_has_bought(name, domain):
    assert registered_domain(name) == domain
