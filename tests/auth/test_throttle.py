"""Guesses are slowed down by where they come from, and lock out nobody who knows the password."""

from datetime import UTC, datetime, timedelta

import pytest

from agent.auth import Accounts, Role
from agent.auth.audit_chain import LOGIN_FAILED
from agent.auth.devices import MOST as MOST_DEVICES
from agent.auth.login_attempt import FORGOTTEN
from agent.auth.sessions import MOST as MOST_SESSIONS
from agent.auth.throttle import Throttle
from agent.errors.auth import InvalidCredentials, SessionExpired, TooManyLogins
from agent.store import Store
from agent.system.layout import Layout
from agent.system.networks import is_near, network_of, wider_network_of
from support.passwords import CHEAP

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
GOOD = "four plain words here"
HOME = "192.0.2.7"
SECOND = timedelta(seconds=1)


@pytest.fixture
def store(tmp_path):
    with Store.open(Layout(tmp_path)) as opened:
        yield opened


@pytest.fixture
def accounts(store):
    opened = Accounts(store, CHEAP)
    opened.add("ann", Role.ADMIN, GOOD, NOW)
    opened.add("vic", Role.VIEWER, GOOD, NOW)
    return opened


def guess(accounts, name="ann", address=HOME, times=1, at=NOW, **more):
    """Guess wrong as often as it is possible; return how often that was."""
    made = 0
    for _ in range(times):
        try:
            accounts.check_password(name, "not it", address, at, **more)
        except InvalidCredentials:
            made += 1
        except TooManyLogins:
            break
    return made


def retry_at(accounts, name="ann", address=HOME, at=NOW, **more):
    with pytest.raises(TooManyLogins) as refused:
        accounts.check_password(name, GOOD, address, at, **more)
    return refused.value.retry_at


def test_the_delay_of_an_address_grows_with_each_failure_up_to_five_minutes(accounts):
    assert guess(accounts, times=99) == 5
    at, delays = NOW, []
    for _ in range(11):
        following = retry_at(accounts, at=at)
        delays.append(int((following - at).total_seconds()))
        at = following
        assert guess(accounts, at=at) == 1
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert accounts.check_password("ann", GOOD, HOME, at + timedelta(minutes=5)).name == "ann"
    assert guess(accounts, times=99, at=at + timedelta(minutes=6)) == 5


def test_failures_are_forgotten_after_a_day_and_a_clock_that_was_set_back_holds_nobody(accounts):
    guess(accounts, times=99)
    assert guess(accounts, times=99, at=NOW - timedelta(days=3)) == 5
    assert guess(accounts, times=99, at=NOW + FORGOTTEN) == 5


def test_ipv6_is_counted_by_the_64_bits_that_one_host_has(accounts):
    assert sum(guess(accounts, address=f"2001:db8:1:2::{host:x}", times=5) for host in range(1, 40)) == 5
    retry_at(accounts, address="2001:db8:1:2:ffff::1")
    assert accounts.check_password("ann", GOOD, "2001:db8:1:3::1", NOW).name == "ann"


def test_guessing_from_thousands_of_networks_locks_nobody_out_from_a_new_address(accounts):
    for number in range(3000):
        guess(accounts, address=f"2001:db8:{number:x}::1")
    assert accounts.check_password("ann", GOOD, "203.0.113.1", NOW).name == "ann"


def test_guessing_one_name_does_not_hold_back_another_from_the_same_address_until_it_is_very_much(accounts):
    guess(accounts, times=99)
    assert accounts.check_password("vic", GOOD, HOME, NOW).name == "vic"
    for number in range(20):
        guess(accounts, name=f"nobody{number}")
    retry_at(accounts, name="vic")


def test_who_has_logged_in_from_a_browser_before_is_not_held_back_by_strangers_there(accounts):
    device = accounts.remember_device(accounts.check_password("ann", GOOD, HOME, NOW), "", NOW)
    for name in ("ann", *(f"nobody{number}" for number in range(30))):
        guess(accounts, name=name, times=9)
    retry_at(accounts)
    assert accounts.check_password("ann", GOOD, HOME, NOW, device=device).name == "ann"
    assert accounts.remember_device(accounts.check_password("ann", GOOD, HOME, NOW, device=device), device, NOW) == ""
    retry_at(accounts, device="cwd_made-up")
    guess(accounts, name="vic", times=9)
    retry_at(accounts, name="vic", device=device)  # it is another account's


def test_a_browser_that_is_known_has_a_budget_too(accounts):
    device = accounts.remember_device(accounts.check_password("ann", GOOD, HOME, NOW), "", NOW)
    assert guess(accounts, times=99, device=device) == 10
    assert retry_at(accounts, device=device) == NOW + SECOND
    assert accounts.check_password("ann", GOOD, HOME, NOW).name == "ann"


def test_devices_from_the_future_crowd_no_other_out(accounts):
    ann = accounts.check_password("ann", GOOD, HOME, NOW)
    for _ in range(MOST_DEVICES):
        accounts.remember_device(ann, "", NOW + timedelta(days=3650))
    shown = accounts.remember_device(ann, "", NOW)
    assert accounts.remember_device(ann, shown, NOW + SECOND) == ""


def test_devices_are_bounded_and_end_with_the_password(accounts, store):
    ann = accounts.check_password("ann", GOOD, HOME, NOW)
    made = [accounts.remember_device(ann, "", NOW + number * SECOND) for number in range(MOST_DEVICES + 5)]
    assert len(accounts.standings().devices) == MOST_DEVICES
    attempts = [accounts.attempt("ann", HOME, each) for each in made]
    assert [accounts.standings().knows(each) for each in attempts] == [False] * 5 + [True] * MOST_DEVICES
    dumped = "\n".join(store.database.iterdump())
    assert not any(each in dumped for each in made)
    accounts.set_password("ann", "another four plain words", NOW)
    assert accounts.standings().devices == {}


def test_who_is_logged_in_and_mistypes_the_own_password_holds_back_nobody_else(accounts):
    assert guess(accounts, times=99, own=True) == 10
    assert accounts.check_password("ann", GOOD, HOME, NOW).name == "ann"
    assert accounts.check_password("vic", GOOD, HOME, NOW).name == "vic"


def test_who_knows_one_password_can_not_go_on_guessing_others_by_logging_in_between(accounts):
    for number in range(25):
        guess(accounts, name=f"nobody{number}")
        if number < 19:
            accounts.check_password("vic", GOOD, HOME, NOW)
    retry_at(accounts, name="vic")


def test_what_is_kept_of_failures_is_bounded_and_those_with_most_stay(accounts, store):
    throttle = Throttle(store.database, most=100)
    with store.write():
        for _ in range(9):
            throttle.failed(accounts.attempt("ann", HOME), NOW)
        for number in range(300):
            throttle.failed(accounts.attempt("ann", f"2001:db8:{number:x}::1"), NOW)
    assert len(throttle.all().failures) <= 100
    retry_at(accounts)


def test_a_new_process_knows_of_the_failures_before_it(accounts, tmp_path):
    guess(accounts, times=99)
    with Store.open(Layout(tmp_path)) as again:
        retry_at(Accounts(again, CHEAP))


@pytest.mark.parametrize("name", ["ann", "nobody-at-all"])
def test_a_name_that_nobody_has_is_held_back_as_one_that_somebody_has(accounts, name):
    assert guess(accounts, name=name, times=99) == 5
    assert retry_at(accounts, name=name) == NOW + SECOND


def test_failed_logins_are_on_record_but_not_what_was_typed_as_a_name(accounts):
    guess(accounts, times=3)
    guess(accounts, name="my password by mistake", address="2001:db8::7", times=2)
    found = {(row.who, row.address, row.times) for row in accounts.audits() if row.action == LOGIN_FAILED}
    assert found == {("ann", HOME, 1), ("ann", HOME, 2), ("nobody", "2001:db8::/64", 1)}


def test_sessions_of_a_person_are_bounded(accounts):
    ann = accounts.check_password("ann", GOOD, HOME, NOW)
    texts = [accounts.open_session(ann, HOME, NOW + number * SECOND)[0] for number in range(MOST_SESSIONS + 1)]
    with pytest.raises(SessionExpired):
        accounts.session(texts[0], NOW + MOST_SESSIONS * SECOND)
    assert accounts.session(texts[1], NOW + MOST_SESSIONS * SECOND).person == ann


def test_tries_of_known_browsers_come_first_then_near_ones_then_those_with_the_fewest_failures(accounts):
    device = accounts.remember_device(accounts.check_password("ann", GOOD, HOME, NOW), "", NOW)
    guess(accounts, address="9.9.9.9", times=3)
    standings = accounts.standings()

    def place(address, **more):
        attempt = accounts.attempt("ann", address, **more)
        return standings.grade(attempt), *standings.penalties(attempt, NOW)

    assert place("8.8.8.8", device=device) == (0, 0, 0)
    assert place("8.8.8.8", own=True) == (0, 0, 0)
    assert place("10.1.2.3") == (1, 0, 0)
    assert place("8.8.8.8") == (2, 0, 0)
    assert place("9.9.9.1") == (2, 0, 3)
    assert place("9.9.9.9") == (2, 3, 3)


@pytest.mark.parametrize(
    ("address", "network", "wider", "near"),
    [
        ("8.8.8.8", "8.8.8.8", "8.8.8.0/24", False),
        ("192.168.1.7", "192.168.1.7", "192.168.1.0/24", True),
        ("2a00:1:2:3:4:5:6:7", "2a00:1:2:3::/64", "2a00:1:2::/48", False),
        ("fe80::1", "fe80::/64", "fe80::/48", True),
        ("local, uid 33", "local, uid 33", "local, uid 33", True),
    ],
)
def test_networks(address, network, wider, near):
    assert (network_of(address), wider_network_of(address), is_near(address)) == (network, wider, near)
