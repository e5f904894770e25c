"""What the store keeps for sources: memories, the ledger, account keys, watches, names that fail, and old chains."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from agent.model.need import Request
from agent.model.records import Watch
from agent.pki.account_key import make_account_key, thumbprint
from agent.pki.chain import Chain, KeyType
from agent.pki.key import key_pem
from agent.store import Store
from agent.store.account_keys import Role
from agent.store.ledger import KEPT
from agent.store.migrations import migrations
from agent.system.layout import Layout
from support.cas import certificates as toy_ca
from support.fakes import ladder as toy_ladder

NOW = datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def a_chain(*names: str, urls: tuple[str, ...] = ()) -> Chain:
    root = toy_ca.root()
    leaf = root.leaf(*(names or ("www.chain.dev",)), extensions=toy_ca.crl_points(*urls))
    return Chain.build(leaf.key, [leaf.certificate], [root.certificate])


# Memories


def test_a_memory_is_kept_under_its_source_and_key_until_it_is_emptied(store: Store):
    assert store.memories.read("acme", "account") == {}
    with store.write():
        store.memories.write("acme", "account", {"url": "u"})
        store.memories.write("acme", "account", {"url": "v"})
        store.memories.write("other", "account", {"url": "w"})
    assert store.memories.read("acme", "account") == {"url": "v"}
    with store.write():
        store.memories.write("acme", "account", {})
    assert store.memories.read("acme", "account") == {}
    assert store.memories.read("other", "account") == {"url": "w"}


def test_a_memory_can_not_be_passed_off_as_another(store: Store):
    with store.write():
        store.memories.write("acme", "account", {"url": "u"})
        store.database.execute("update memories set key = 'other'")
    assert store.memories.read("acme", "other") == {}
    assert [row.key for row in store.database.damaged.values()] == [("acme", "other")]


# The ledger


def test_the_ledger_tells_when_something_was_done_to_a_subject(store: Store):
    with store.write():
        store.ledger.note("acme", "order", ["a", "b"], NOW)
        store.ledger.note("acme", "order", ["a"], NOW - HOUR)
        store.ledger.note("acme", "failure", ["a"], NOW)
        store.ledger.note("other", "order", ["a"], NOW)
    assert store.ledger.instants("acme", "order", "a", NOW - DAY) == [NOW - HOUR, NOW]
    assert store.ledger.instants("acme", "order", "a", NOW) == [NOW]
    assert store.ledger.instants("acme", "order", "b", NOW - DAY) == [NOW]
    assert store.ledger.instants("acme", "order", "c", NOW - DAY) == []


def test_the_ledger_is_trimmed_to_the_longest_window_of_a_limit(store: Store):
    with store.write():
        store.ledger.note("acme", "order", ["a"], NOW - KEPT - HOUR)
        store.ledger.note("acme", "order", ["a"], NOW - KEPT)
        store.ledger.trim(NOW)
    assert store.ledger.instants("acme", "order", "a", NOW - 2 * KEPT) == [NOW - KEPT]


# Account keys


def test_the_present_account_key_signs_until_the_proposed_one_is_promoted(store: Store):
    keys = store.account_keys
    first, second = make_account_key(), make_account_key()
    assert (keys.present(), keys.load(), keys.proposed()) == (None, None, None)
    with store.write():
        keys.add(first, NOW)
    with store.write():
        keys.propose(second, NOW + HOUR)
    assert [keys.present().thumbprint, keys.proposed().thumbprint] == [thumbprint(first), thumbprint(second)]
    assert key_pem(keys.load()) == key_pem(first)
    assert key_pem(keys.load(Role.NEXT)) == key_pem(second)
    with store.write():
        keys.promote()
    assert key_pem(keys.load()) == key_pem(second)
    assert keys.proposed() is None
    assert [(each.thumbprint, each.role) for each in keys.all()] == [
        (thumbprint(second), Role.PRESENT),
        (thumbprint(first), Role.RETIRED),
    ]


def test_without_a_proposal_nothing_is_promoted(store: Store):
    with store.write():
        present = store.account_keys.add(make_account_key(), NOW)
        store.account_keys.promote()
    assert store.account_keys.present() == present


def test_a_proposal_that_is_withdrawn_is_kept_for_a_ca_that_has_taken_it(store: Store):
    with store.write():
        store.account_keys.propose(make_account_key(), NOW)
        store.account_keys.withdraw()
    assert [each.role for each in store.account_keys.all()] == [Role.RETIRED]


def test_a_sealed_copy_of_each_account_key_stands_beside_the_database(layout: Layout, store: Store):
    key = make_account_key()
    with store.write():
        store.account_keys.add(key, NOW)
    path = layout.private / f"account-{thumbprint(key)}.sealed"
    assert path.stat().st_mode & 0o777 == 0o600
    assert store.sealer.open(path.read_bytes(), f"account key {thumbprint(key)}") == key_pem(key)
    everything = b"".join(each.read_bytes() for each in layout.private.iterdir())
    assert b"PRIVATE KEY" not in everything


def test_a_source_may_have_keys_for_itself(layout: Layout, store: Store):
    shared, own, new = (make_account_key() for _ in range(3))
    with store.write():
        store.account_keys.add(shared, NOW)
        store.account_keys.add(own, NOW, "zerossl")
        store.account_keys.propose(new, NOW, "zerossl")
        store.account_keys.promote()
    assert thumbprint(store.account_keys.load()) == thumbprint(shared)
    with store.write():
        store.account_keys.promote("zerossl")
    assert store.account_keys.present("zerossl").thumbprint == thumbprint(new)
    assert store.account_keys.present().thumbprint == thumbprint(shared)
    assert thumbprint(store.account_keys.load_known(thumbprint(own))) == thumbprint(own)
    copy = layout.private / f"account-{thumbprint(new)}@zerossl.sealed"
    assert store.sealer.open(copy.read_bytes(), f"account key {thumbprint(new)}") == key_pem(new)


def test_the_copies_tell_whose_the_keys_are(store: Store):
    shared, own = make_account_key(), make_account_key()
    with store.write():
        store.account_keys.add(shared, NOW)
        store.account_keys.add(own, NOW, "zerossl")
        store.database.execute("delete from account_keys")
        store.account_keys.take_in_files(NOW)
    assert store.account_keys.present().thumbprint == thumbprint(shared)
    assert store.account_keys.present("zerossl").thumbprint == thumbprint(own)


# Watches


def test_what_is_known_of_a_chain_is_kept_as_it_was(store: Store):
    full = Watch(
        chain="c",
        next_at=NOW,
        crl_at=NOW + HOUR,
        renew_at=NOW + DAY,
        window=(NOW, NOW + DAY),
        explanation="https://ca.example.test/why",
        problem={"cause": "No."},
        attempts=3,
    )
    bare = Watch(chain="d")
    with store.write():
        store.watches.put(bare)
        store.watches.put(Watch(chain="c", next_at=NOW))
        store.watches.put(full)
    assert store.watches.all() == {"c": full, "d": bare}
    assert (store.watches.of("c"), store.watches.of("e")) == (full, None)
    with store.write():
        store.watches.forget("d")
    assert store.watches.all() == {"c": full}


def test_what_is_known_of_chains_that_are_gone_is_forgotten(store: Store):
    chain = a_chain()
    with store.write():
        store.chains.add(chain, source="acme", now=NOW, request="r")
        store.watches.put(Watch(chain=chain.id))
        store.watches.put(Watch(chain="gone"))
        store.watches.forget_gone()
    assert set(store.watches.all()) == {chain.id}


# Names that fail


def asked(*names: str) -> Request:
    return Request(names=frozenset(names), key_type=KeyType.ECDSA_P256)


def test_names_that_fail_keep_their_beginning_and_what_they_were_asked_for_with(store: Store):
    with store.write():
        store.failing.add("acme", ["b", "a"], asked("a", "b", "c"), NOW)
        store.failing.add("acme", ["a"], asked("a"), NOW + HOUR)
        store.failing.add("other", ["a", "d"], asked("a", "d"), NOW)
    first = store.failing.all()[0]
    assert (first.name, first.source, first.since, first.passed_at) == ("a", "acme", NOW, None)
    assert first.requests == (asked("a", "b", "c"), asked("a"))
    assert store.failing.names({"acme"}) == ("a", "b")
    assert store.failing.names({"acme", "other"}) == ("a", "b", "d")
    assert store.failing.names(()) == ()
    with store.write():
        store.failing.keep({"a", "b"}, {"other"})
    assert [(each.name, each.source) for each in store.failing.all()] == [("a", "other")]


def test_a_name_that_passes_stands_apart_until_there_is_a_chain_for_all_names_together(store: Store):
    together = asked("a", "b", "c")
    with store.write():
        store.failing.add("acme", ["a"], together, NOW)
        assert store.failing.settle("acme", asked("a"), ["a"], NOW + HOUR) == [together]
    assert store.failing.names({"acme"}) == ("a",)
    assert store.failing.all()[0].passed_at == NOW + HOUR
    with store.write():
        assert store.failing.delivered("acme", together, NOW + HOUR) == []
    assert store.failing.all() == []


# Chains and orders


def test_a_chain_tells_whether_its_ca_lists_what_it_revokes(store: Store):
    with_list, without = a_chain(urls=("http://ca.example.test/1.crl",)), a_chain(urls=("ldap://ca.example.test/cn=x",))
    with store.write():
        store.chains.add(with_list, source="acme", now=NOW)
        store.chains.add(without, source="acme", now=NOW)
    assert {record.id: record.crl for record in store.chains.records()} == {with_list.id: True, without.id: False}
    assert with_list.crl_urls == ("http://ca.example.test/1.crl",)


def test_a_chain_of_an_earlier_version_may_have_a_list(store: Store):
    chain = a_chain()
    with store.write():
        store.chains.add(chain, source="uploaded", now=NOW)
        store.database.execute("update chains set crl = null")
    store.chains.forget()
    assert [record.crl for record in store.chains.records()] == [True]


def test_a_revoked_chain_is_good_for_nothing(store: Store):
    chain = a_chain()
    with store.write():
        store.chains.add(chain, source="acme", now=NOW, request="r")
    assert store.chains.records()[0].good(NOW)
    with store.write():
        store.chains.revoke(chain.id, NOW - HOUR)
    [record] = store.chains.records()
    assert record.revoked_at == NOW - HOUR
    assert not record.good(NOW)


def test_the_newest_chain_of_a_source_for_a_request_is_found_good_or_not(store: Store):
    first, second = a_chain(), a_chain()
    with store.write():
        store.chains.add(first, source="acme", now=NOW, request="r")
        store.chains.add(second, source="acme", now=NOW + HOUR, request="r")
        store.chains.add(a_chain(), source="acme", now=NOW + DAY, request="other")
        store.chains.add(a_chain(), source="local", now=NOW + DAY, request="r")
        store.chains.revoke(second.id, NOW + HOUR)
    newest = store.chains.newest("acme", "r")
    assert newest is not None
    assert newest.id == second.id
    assert store.chains.newest("acme", "none") is None


def test_a_chain_that_nobody_is_bound_to_stays_while_the_order_that_replaces_it_is_worked_at(store: Store):
    old, last = a_chain(), a_chain()
    with store.write():
        store.chains.add(old, source="acme", now=NOW - DAY, request="r")
        store.chains.add(last, source="acme", now=NOW, request="r")
        store.orders.lease("r", "acme", NOW)
        store.chains.drop_superseded(NOW + DAY)
    assert [record.id for record in store.chains.records()] == [last.id]
    with store.write():
        store.orders.succeeded("r", "acme")
        store.chains.drop_superseded(NOW + DAY)
    assert store.chains.records() == []


def test_a_chain_that_is_to_take_over_stays_though_nobody_is_bound_to_it(store: Store):
    ready, superseded = a_chain(), a_chain()
    with store.write():
        for each in (ready, superseded):
            store.chains.add(each, source="acme", now=NOW - DAY, request="r")
        store.chains.drop_superseded(NOW, {ready.id})
    assert [record.id for record in store.chains.records()] == [ready.id]


def test_orders_that_nobody_needs_any_more_are_forgotten_some_time_after_their_next_try(store: Store):
    needed, gone, soon, leased = (toy_ladder.need(name) for name in ("a.dev", "b.dev", "c.dev", "d.dev"))
    with store.write():
        store.orders.failed(toy_ladder.failed(needed, retry_at=NOW - 9 * DAY))
        store.orders.failed(toy_ladder.failed(gone, retry_at=NOW - 9 * DAY))
        store.orders.failed(toy_ladder.failed(soon, retry_at=NOW))
        store.orders.lease(leased.request.id, "toy", NOW)
        store.orders.forget_unneeded({needed.request.id}, NOW)
    kept = {record.request for record in store.orders.records()}
    assert kept == {needed.request.id, soon.request.id, leased.request.id}


def test_a_person_insists_until_there_is_a_new_chain(store: Store):
    with store.write():
        store.orders.ask_again("r", NOW, force=True)
        store.orders.ask_again("s", NOW)
    assert store.orders.forced() == {"r"}
    assert set(store.orders.reissues()) == {"r", "s"}
    with store.write():
        store.orders.clear_forced("r")
    assert store.orders.forced() == frozenset()


# The schema


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.account_keys.add(make_account_key(), NOW),
        lambda store: store.watches.put(Watch(chain="c")),
        lambda store: store.failing.add("acme", ["a"], asked("a"), NOW),
    ],
)
def test_a_change_makes_the_next_pass_look_at_everything(store: Store, change):
    with store.write():
        store.remember("trusted", "all is well")
    with store.write():
        change(store)
    assert store.meta("trusted") is None


def test_a_store_of_an_earlier_version_is_brought_up_to_date_with_all_that_is_in_it(layout: Layout):
    chain = a_chain()
    with Store.open(layout) as store, store.write():
        store.chains.add(chain, source="uploaded", now=NOW)
        store.orders.ask_again("r", NOW)
    with sqlite3.connect(layout.database) as connection:
        for table in ("memories", "ledger", "account_keys", "watches", "failing_names"):
            connection.execute(f"drop table {table}")
        connection.execute("alter table reissues drop column forced")
        connection.execute("alter table chains drop column crl")
        connection.execute("delete from _sqlite_migrations where name in ('m005_sources', 'm038_own_account_keys')")
    connection.close()
    with Store.open(layout) as store:
        assert migrations.pending(store.database.sqlite_utils) == []
        assert [record.id for record in store.chains.records()] == [chain.id]
        assert (set(store.orders.reissues()), store.orders.forced()) == ({"r"}, frozenset())
        assert store.watches.all() == {}
