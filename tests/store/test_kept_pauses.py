"""Pauses and wishes as the store keeps them, and what becomes of those of earlier versions."""

from __future__ import annotations

import json

from sqlite_utils import Database

from agent.errors.problem import Problem
from agent.model.deployment import Deployment, Outcome, Refusal, RefusedKind
from agent.model.records import Watch
from agent.store import Store
from agent.store import migrations as steps
from agent.system.layout import Layout
from support.cas.certificates import DAY, NOW
from support.fakes import ladder as toy_ladder

WANTED = toy_ladder.need("a.dev")
PROBLEM = Problem("test.refused", "It was refused.")
LATER = NOW + DAY


def test_it_is_kept_when_what_is_tried_again_was_tried(store: Store):
    order = toy_ladder.failed(WANTED, retry_at=LATER, tried_at=NOW)
    deployment = Deployment("mail", 1, Outcome.BROKEN, problem=PROBLEM, retry_at=LATER, tried_at=NOW)
    refusal = Refusal("mail", "default", RefusedKind.CHAIN, "c" * 64, PROBLEM, 1, LATER, NOW)
    watch = Watch(chain="c" * 64, next_at=LATER, crl_at=LATER, asked_at=NOW, crl_asked_at=NOW)
    with store.write():
        store.orders.failed(order)
        store.deployments.put(deployment)
        store.deployments.refuse(refusal)
        store.watches.put(watch)
    assert store.orders.records() == [order]
    assert store.deployments.all() == {"mail": deployment}
    assert store.deployments.refusals() == [refusal]
    assert store.watches.of(watch.chain) == watch


def test_an_order_that_nobody_needs_and_that_waits_for_years_is_forgotten(store: Store):
    with store.write():
        store.orders.failed(toy_ladder.failed(WANTED, retry_at=NOW + 3650 * DAY))
        store.orders.forget_unneeded((), NOW)
    assert store.orders.records() == []


def test_a_pause_of_an_earlier_version_holds_unless_it_is_too_long(layout: Layout):
    far = NOW + 3650 * DAY
    earlier(
        layout,
        orders=[
            {"request": WANTED.request.id, "source": "toy", "retry_at": LATER.isoformat()},
            {"request": WANTED.request.id, "source": "slow", "retry_at": far.isoformat()},
        ],
    )
    with Store.open(layout) as store:
        assert {each.source: each.pause.holds(NOW) for each in store.orders.records()} == {"toy": True, "slow": False}


def test_a_wish_of_an_earlier_version_is_for_what_was_made_before_it(layout: Layout):
    old, new = NOW - DAY, NOW + DAY
    earlier(
        layout,
        reissues=[
            {"request": "open", "asked_at": NOW.isoformat()},
            {"request": "served", "asked_at": NOW.isoformat()},
            {"request": "forced", "asked_at": NOW.isoformat(), "forced": 1},
        ],
        chains=[chain("a", "open", old), chain("b", "open", new), chain("c", "served", new)],
    )
    with Store.open(layout) as store:
        assert store.orders.reissues() == {"open": {"a"}, "forced": frozenset()}
        assert store.orders.forced() == {"forced"}


def test_a_wish_is_dropped_with_the_chain_that_serves_it_and_those_below(store: Store):
    rows = [chain("a", "r", NOW, "acme"), chain("b", "r", NOW, "slow"), chain("c", "r", NOW, "local")]
    for_others = [chain("d", "s", NOW, "local")]
    with store.write():
        store.database.table("chains").insert_all([*rows, *for_others])
        store.orders.ask_again("r", NOW)
        store.orders.ask_again("s", NOW)
    assert store.orders.reissues() == {"r": {"a", "b", "c"}, "s": {"d"}}
    with store.write():
        store.orders.served("r", {"acme"})
    assert store.orders.reissues() == {"r": {"a"}, "s": {"d"}}
    with store.write():
        store.orders.served("r", {"uploaded"})
    assert store.orders.reissues() == {"s": {"d"}}


def test_a_person_who_insists_does_so_until_what_needs_the_network_has_delivered(store: Store):
    with store.write():
        store.database.table("chains").insert(chain("c", "r", NOW, "local"))
        store.orders.ask_again("r", NOW, force=True)
        store.orders.served("r", {"acme"})
    assert (store.orders.reissues(), store.orders.forced()) == ({"r": frozenset()}, {"r"})
    with store.write():
        store.orders.clear_forced("r")
        store.orders.served("r", ())
    assert store.orders.reissues() == {}


def earlier(layout: Layout, **rows: list[dict[str, object]]) -> None:
    """Make a database of a version that knew neither pauses nor wishes."""
    layout.private.mkdir(parents=True)
    database = Database(layout.database)
    steps.migrations.apply(database, stop_before="m023_pauses")
    for table, given in rows.items():
        database.table(table).insert_all(given)
    database.close()


def chain(name: str, request: str, created_at, source: str = "local") -> dict[str, object]:
    """Return the row of a chain, as far as it matters here."""
    return {
        "id": name,
        "source": source,
        "request": request,
        "names": json.dumps(["a.dev"]),
        "key_type": "ecdsa-p256",
        "not_before": NOW.isoformat(),
        "not_after": LATER.isoformat(),
        "fingerprints": "[]",
        "certificates": "",
        "sealed_key": b"",
        "created_at": created_at.isoformat(),
    }
