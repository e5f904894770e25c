"""Who gets into the web interface, who doesn't, and what is kept of it."""

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from agent.auth import Accounts, Person, Role
from agent.auth.accounts import ONE_TIME
from agent.auth.passwords import Cost, encoded, matches, nobodys
from agent.auth.person import Audit, TokenMaker
from agent.auth.sessions import ABSOLUTE, IDLE
from agent.errors.auth import (
    InvalidCredentials,
    InvalidToken,
    OneTimePasswordEnded,
    PasswordRefused,
    SessionExpired,
    TokenNotFound,
    TokenRefused,
    UserNotFound,
    UserRefused,
)
from agent.store import Store
from agent.system.layout import Layout
from support.passwords import CHEAP

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
GOOD = "four plain words here"
ANN = TokenMaker("ann", "ann")
ROOT = TokenMaker("root (uid 0)", None)
HOME = "192.0.2.7"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def accounts(tmp_path):
    with Store.open(Layout(tmp_path)) as store:
        yield Accounts(store, CHEAP)


@pytest.fixture
def ann(accounts):
    return accounts.add("ann", Role.ADMIN, GOOD, NOW)


def dump(tmp_path):
    with closing(sqlite3.connect(next(tmp_path.rglob("*.db")))) as connection:
        return "\n".join(connection.iterdump())


def test_there_is_no_default_password_but_one_for_the_first_login_that_must_be_changed(accounts):
    assert accounts.all() == []
    first = accounts.one_time_password("admin", NOW)
    person = accounts.check_password("admin", first, HOME, NOW)
    assert person == Person("admin", Role.ADMIN, must_change=True)
    accounts.set_password("admin", GOOD, NOW)
    assert accounts.check_password("admin", GOOD, HOME, NOW).must_change is False
    with pytest.raises(InvalidCredentials):
        accounts.check_password("admin", first, HOME, NOW)


def test_two_appliances_have_different_first_passwords(tmp_path):
    made = set()
    for name in ("a", "b"):
        with Store.open(Layout(tmp_path / name)) as store:
            made.add(Accounts(store, CHEAP).one_time_password("admin", NOW))
    assert len(made) == 2
    assert all(len(each) == 19 for each in made)


def test_a_one_time_password_is_for_one_login(accounts):
    person = accounts.check_password("admin", accounts.one_time_password("admin", NOW), HOME, NOW)
    text, _ = accounts.open_session(person, HOME, NOW)
    with pytest.raises(OneTimePasswordEnded) as ended:
        accounts.open_session(person, HOME, NOW)
    assert "webui password --one-time admin" in str(ended.value)
    assert accounts.session(text, NOW).person.must_change
    again = accounts.check_password("admin", accounts.one_time_password("admin", NOW), HOME, NOW)
    assert accounts.open_session(again, HOME, NOW)[1].person.must_change


@pytest.mark.parametrize("later", [ONE_TIME, -ONE_TIME, timedelta(days=400), timedelta(days=-20_000)])
def test_a_one_time_password_ends_after_a_day_whatever_the_clock_was_when_it_was_made(accounts, later):
    person = accounts.check_password("admin", accounts.one_time_password("admin", NOW), HOME, NOW)
    with pytest.raises(OneTimePasswordEnded):
        accounts.open_session(person, HOME, NOW + later)
    accounts.open_session(person, HOME, NOW + ONE_TIME - MINUTE)


def test_a_one_time_password_keeps_the_role_and_ends_the_sessions(accounts, ann):
    accounts.add("vic", Role.VIEWER, GOOD, NOW)
    text, _ = accounts.open_session(Person("vic", Role.VIEWER), HOME, NOW)
    made = accounts.one_time_password("vic", NOW)
    assert accounts.check_password("vic", made, HOME, NOW) == Person("vic", Role.VIEWER, must_change=True)
    with pytest.raises(InvalidCredentials):
        accounts.check_password("vic", GOOD, HOME, NOW)
    with pytest.raises(SessionExpired):
        accounts.session(text, NOW)
    with pytest.raises(UserRefused):
        accounts.one_time_password("No Name", NOW)


@pytest.mark.parametrize("name", ["ann", "nobody", "", "ann'--", "x" * 300])
def test_a_wrong_password_and_a_wrong_name_are_told_alike(accounts, ann, name):
    with pytest.raises(InvalidCredentials) as refused:
        accounts.check_password(name, "wrong", HOME, NOW)
    assert str(refused.value) == str(InvalidCredentials())


def test_a_password_costs_what_rfc_9106_recommends_unless_something_else_is_asked_for(tmp_path):
    with Store.open(Layout(tmp_path)) as store:
        Accounts(store).add("ann", Role.ADMIN, GOOD, NOW)
    assert "$argon2id$v=19$m=65536,t=3,p=4$" in dump(tmp_path)


def test_a_name_that_nobody_has_takes_the_same_work():
    assert nobodys(Cost()).split("$")[:4] == encoded(GOOD, Cost()).split("$")[:4]
    started = time.process_time()
    assert not matches("anything", nobodys(Cost()))
    assert time.process_time() - started > 0.01  # the derivation was made, not skipped


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "it has 5 characters, and at least 10 are needed"),
        ("x" * 257, "it has 257 characters, and at most 256 are allowed"),
        ("aaaaaaaaaaaa", "it would be guessed at once"),
        ("ann-ann-ann-1", "it would be guessed at once"),
    ],
)
def test_a_new_password_must_be_one(accounts, ann, password, reason):
    with pytest.raises(PasswordRefused) as refused:
        accounts.set_password("ann", password, NOW)
    assert reason in str(refused.value)
    assert password not in str(refused.value)
    assert accounts.check_password("ann", GOOD, HOME, NOW) == ann


def test_nothing_that_opens_a_door_is_in_the_database(accounts, ann, tmp_path):
    session, _ = accounts.open_session(ann, HOME, NOW)
    token, _ = accounts.make_token("backup", Role.VIEWER, ANN, NOW, timedelta(days=1))
    dumped = dump(tmp_path)
    assert not any(secret in dumped for secret in (GOOD, session, token))


def test_a_session_ends_when_it_is_idle_and_in_any_case(accounts, ann):
    text, session = accounts.open_session(ann, HOME, NOW)
    assert accounts.session(text, NOW + IDLE - MINUTE).person == ann
    at = NOW
    while at + IDLE - MINUTE < NOW + ABSOLUTE:
        at += IDLE - MINUTE
        accounts.session(text, at)
    with pytest.raises(SessionExpired):
        accounts.session(text, session.ends_at)
    text, _ = accounts.open_session(ann, HOME, NOW)
    with pytest.raises(SessionExpired):
        accounts.session(text, NOW + IDLE)


def test_a_session_ends_by_logging_out_by_a_new_password_and_with_its_owner(accounts, ann):
    accounts.add("bob", Role.VIEWER, GOOD, NOW)
    first, _ = accounts.open_session(ann, HOME, NOW)
    accounts.close_session(first)
    second, _ = accounts.open_session(ann, HOME, NOW)
    accounts.set_password("ann", GOOD + "!", NOW)
    third, _ = accounts.open_session(Person("bob", Role.VIEWER), HOME, NOW)
    accounts.remove("bob")
    for text in (first, second, third, "cws_made-up", "", "cwt_x"):
        with pytest.raises(SessionExpired):
            accounts.session(text, NOW)


def test_a_session_from_the_future_is_none(accounts, ann):
    text, _ = accounts.open_session(ann, HOME, NOW)
    with pytest.raises(SessionExpired):
        accounts.session(text, NOW - MINUTE)


def test_sessions_from_the_future_crowd_nobody_out(accounts, ann):
    for _ in range(60):
        accounts.open_session(ann, HOME, NOW + timedelta(days=3650))
    text, _ = accounts.open_session(ann, HOME, NOW)
    accounts.open_session(ann, HOME, NOW + MINUTE)
    assert accounts.session(text, NOW + MINUTE).person == ann


def test_a_token_is_good_after_the_clock_was_set_back_a_little_and_none_from_far_in_the_future(accounts, ann):
    text, _ = accounts.make_token("backup", Role.VIEWER, ANN, NOW, timedelta(days=30))
    assert accounts.token(text, NOW - timedelta(minutes=59)) == Person("token backup", Role.VIEWER)
    with pytest.raises(InvalidToken):
        accounts.token(text, NOW - timedelta(minutes=61))


def test_a_token_has_a_role_and_an_end(accounts, ann):
    text, token = accounts.make_token("backup", Role.VIEWER, ANN, NOW, timedelta(days=30))
    assert accounts.bearer(text, NOW + timedelta(days=29)) == Person("token backup", Role.VIEWER)
    assert accounts.tokens()[0].used_at == NOW + timedelta(days=29)
    with pytest.raises(InvalidToken):
        accounts.token(text, NOW + timedelta(days=30))
    accounts.revoke_token(token.id)
    with pytest.raises(InvalidToken):
        accounts.token(text, NOW)
    with pytest.raises(TokenNotFound):
        accounts.revoke_token(token.id)
    with pytest.raises(InvalidToken):
        accounts.bearer("whatever", NOW)
    assert accounts.tokens() == []


@pytest.mark.parametrize("lifetime", [timedelta(), timedelta(days=-1), timedelta(days=400)])
def test_no_token_lives_for_ever(accounts, lifetime):
    with pytest.raises(TokenRefused, match="at most 366 days"):
        accounts.make_token("backup", Role.VIEWER, ANN, NOW, lifetime)


def make(accounts, name, role=Role.VIEWER, maker=ANN):
    return accounts.make_token(name, role, maker, NOW, timedelta(days=1))[0]


def names(accounts):
    return sorted(each.name for each in accounts.tokens())


def test_tokens_end_with_the_account_that_made_them(accounts, ann):
    accounts.add("bob", Role.ADMIN, GOOD, NOW)
    make(accounts, "one")
    make(accounts, "two", Role.ADMIN)
    make(accounts, "of-bob", maker=TokenMaker("bob", "bob"))
    make(accounts, "of-root", maker=ROOT)
    assert [each.name for each in accounts.tokens_of("ann", NOW)] == ["one", "two"]
    assert accounts.tokens_of("ann", NOW + timedelta(days=1)) == []
    accounts.remove("ann")
    assert names(accounts) == ["of-bob", "of-root"]
    accounts.add("ann", Role.ADMIN, GOOD, NOW)
    make(accounts, "one")
    accounts.set_password("ann", GOOD + "!", NOW)
    assert names(accounts) == ["of-bob", "of-root"]
    make(accounts, "one")
    accounts.one_time_password("ann", NOW)
    assert names(accounts) == ["of-bob", "of-root"]


def test_with_a_lesser_role_sessions_end_and_tokens_that_may_more(accounts, ann):
    accounts.add("bob", Role.ADMIN, GOOD, NOW)
    make(accounts, "looks")
    changes = make(accounts, "changes", Role.ADMIN)
    text, _ = accounts.open_session(ann, HOME, NOW)
    accounts.set_role("ann", Role.ADMIN)
    assert accounts.session(text, NOW).person == ann
    assert accounts.token(changes, NOW).role is Role.ADMIN
    assert [each.name for each in accounts.tokens_of("ann", NOW, Role.VIEWER)] == ["changes"]
    accounts.set_role("ann", Role.VIEWER)
    assert names(accounts) == ["looks"]
    with pytest.raises(SessionExpired):
        accounts.session(text, NOW)
    with pytest.raises(UserRefused, match="nobody else is an administrator"):
        accounts.set_role("bob", Role.VIEWER)
    with pytest.raises(UserNotFound):
        accounts.set_role("nobody", Role.VIEWER)
    text, _ = accounts.open_session(Person("ann", Role.VIEWER), HOME, NOW)
    accounts.set_role("ann", Role.ADMIN)
    assert accounts.session(text, NOW).person.role is Role.ADMIN


def test_a_token_is_never_more_than_its_maker(accounts, ann):
    text = make(accounts, "changes", Role.ADMIN)
    with accounts._store.write():
        accounts._database.execute("update people set role = 'viewer'")
    assert accounts.token(text, NOW).role is Role.VIEWER
    assert accounts.tokens()[0].role is Role.VIEWER
    of_root = make(accounts, "of-root", Role.ADMIN, ROOT)
    assert accounts.token(of_root, NOW).role is Role.ADMIN


def test_a_token_s_name_is_its_own_as_long_as_it_is_good(accounts, ann):
    make(accounts, "backup")
    with pytest.raises(TokenRefused, match="ann has made one of this name"):
        make(accounts, "backup")
    later = NOW + timedelta(days=1)
    accounts.make_token("backup", Role.VIEWER, ROOT, later, timedelta(days=1))
    assert [each.made_by for each in accounts.tokens()] == ["root (uid 0)"]


def test_the_last_administrator_stays(accounts, ann):
    with pytest.raises(UserRefused, match="nobody else is an administrator"):
        accounts.remove("ann")
    accounts.add("bob", Role.ADMIN, GOOD, NOW)
    accounts.remove("ann")
    assert [each.name for each in accounts.all()] == ["bob"]
    for unknown in (lambda: accounts.remove("ann"), lambda: accounts.set_password("ann", GOOD, NOW)):
        with pytest.raises(UserNotFound):
            unknown()


@pytest.mark.parametrize("name", ["", "Ann", "1ann", "a b", "a\n", "x" * 33, "ann"])
def test_a_name_is_plain_and_there_once(accounts, ann, name):
    with pytest.raises(UserRefused):
        accounts.add(name, Role.VIEWER, GOOD, NOW)


def test_a_role_includes_what_is_below_it():
    assert [Role.ADMIN.may(each) for each in Role] == [True, True]
    assert [Role.VIEWER.may(each) for each in Role] == [True, False]


def test_what_was_done_is_on_record_the_newest_first(accounts):
    rows = [Audit(NOW + MINUTE * number, "ann", HOME, "reissue", f"site {number}") for number in range(3)]
    for row in rows:
        accounts.audit(row)
    assert accounts.audits(2) == rows[:0:-1]
