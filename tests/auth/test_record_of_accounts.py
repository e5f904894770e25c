"""Changes to people and tokens, each with its row of the audit record: both, or neither."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from agent.auth import Accounts, Role
from agent.auth.person import Actor, Origin, TokenMaker
from agent.errors import AgentError
from agent.store import Store
from agent.system.layout import Layout
from support.passwords import CHEAP

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
GOOD = "four plain words here"
ANN = Actor("ann", "192.0.2.7")
MAKER = TokenMaker("ann", "ann")

Change = Callable[[Accounts], object]
CHANGES: dict[str, tuple[Change, tuple[str, str, str]]] = {
    "somebody new": (lambda people: people.add("bob", Role.ADMIN, GOOD, NOW), ("user added", "bob", "admin")),
    "somebody new by a one-time password": (
        lambda people: people.one_time_password("bob", NOW, Role.VIEWER),
        ("user added", "bob", "viewer, one-time password"),
    ),
    "a password": (lambda people: people.set_password("vic", GOOD, NOW), ("password set", "vic", "")),
    "a one-time password": (
        lambda people: people.one_time_password("vic", NOW, Role.ADMIN),
        ("one-time password made", "vic", ""),
    ),
    "a role": (lambda people: people.set_role("vic", Role.ADMIN), ("role changed", "vic", "admin")),
    "a removal": (lambda people: people.remove("vic"), ("user removed", "vic", "")),
    "a token": (
        lambda people: people.make_token("watch", Role.ADMIN, MAKER, NOW, timedelta(days=9)),
        ("token made", "watch", "{id}, admin, 9 days"),
    ),
    "a revocation": (lambda people: people.revoke_token(people.tokens()[0].id), ("token revoked", "{id}", "old")),
}


@pytest.fixture
def store(tmp_path):
    with Store.open(Layout(tmp_path)) as opened:
        yield opened


@pytest.fixture
def people(store):
    """Return the accounts with ann, vic and the token `old`, as ann changes them."""
    there = Accounts(store, CHEAP)
    there.add("ann", Role.ADMIN, GOOD, NOW)
    there.add("vic", Role.VIEWER, GOOD, NOW)
    there.make_token("old", Role.VIEWER, MAKER, NOW, timedelta(days=9))
    return Accounts(store, CHEAP, Origin(ANN, NOW))


def kept(store):
    tables = ("people", "tokens")
    return [list(store.database.query(f"select * from {each}")) for each in tables]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_says_in_its_row_who_has_got_what(people, change):
    make, (action, subject, detail) = CHANGES[change]
    before = people.tokens()[0].id
    made = make(people)
    token = made[1].id if isinstance(made, tuple) else before
    (row,) = people.audits()
    assert (row.who, row.address, row.at) == ("ann", "192.0.2.7", NOW)
    assert (row.action, row.subject, row.detail) == (action, subject.format(id=token), detail.format(id=token))


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_whose_row_can_not_be_written_is_not_made(people, store, change):
    before = kept(store)
    store.database.execute("create trigger full before insert on audits begin select raise(abort, 'full'); end")
    with pytest.raises(AgentError):
        CHANGES[change][0](people)
    assert kept(store) == before
