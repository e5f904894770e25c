"""Services passed to a source: memory, ledger, the account key, one object for all its orders."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.engine.workers import Workers
from agent.model.events import EventKind
from agent.model.need import Request
from agent.operations.account_key import KeyChange, finish_key_change, propose_account_key
from agent.operations.reissue import reissue
from agent.operations.sources import source_context
from agent.pki.chain import KeyType
from support.appliances.keen import Keen
from support.paths import DYING
from support.processes import prepared
from support.waiting import until

NAMES = [f"s{number}.example.com" for number in range(6)]


@pytest.fixture
def keen(appliance) -> Keen:
    made = Keen(appliance)
    made.settings(alone=["a.example.com"])
    return made


def orders(keen: Keen):
    with keen.appliance.store() as store:
        return {record.request: record for record in store.orders.records()}


def failing(keen: Keen) -> set[str]:
    """Return the names that the CA could not validate when it was asked last."""
    with keen.appliance.store() as store:
        return {each.name for each in store.failing.all() if each.passed_at is None}


def last_order(keen: Keen) -> dict:
    return keen.said("ordered")[-1]


# The account key


def test_the_account_key_is_there_before_anything_is_deployed_and_services_are_told_its_thumbprint(keen):
    keen.appliance.engine().boot()
    with keen.appliance.store() as store:
        present = store.account_keys.present()
    assert (keen.live / "thumbprint").read_text() == f"{present.thumbprint}\n"
    keen.appliance.apply()
    assert last_order(keen)["known"] is True
    with keen.appliance.store() as store:
        assert store.account_keys.all() == [present], "one for all"
    sealed = keen.appliance.layout.private / f"account-{present.thumbprint}.sealed"
    assert sealed.stat().st_mode & 0o777 == 0o600


def test_without_a_source_that_uses_it_there_is_no_account_key(keen):
    keen.settings(alone=["a.example.com"], ladder='"local"')
    keen.appliance.apply()
    assert (keen.live / "thumbprint").read_text() == "None\n"
    with keen.appliance.store() as store:
        assert store.account_keys.all() == []


def test_a_plan_makes_no_account_key(keen):
    keen.appliance.engine().plan()
    with keen.appliance.store() as store:
        assert store.account_keys.all() == []


def test_an_account_key_that_is_promoted_is_told_to_the_services(keen):
    keen.appliance.apply()
    before = (keen.live / "thumbprint").read_text()
    new = keen.appliance.change(propose_account_key)
    keen.appliance.apply()
    assert (keen.live / "thumbprint").read_text() == before, "no CA has agreed yet"
    keen.appliance.change(finish_key_change, KeyChange(new))
    keen.appliance.apply()
    with keen.appliance.store() as store:
        present = store.account_keys.present()
    assert (keen.live / "thumbprint").read_text() == f"{present.thumbprint}\n" != before


def test_an_account_key_that_was_proposed_before_a_crash_is_proposed_again(keen):
    from agent.pki.account_key import thumbprint

    first = keen.appliance.change(propose_account_key)
    second = keen.appliance.change(propose_account_key)
    assert thumbprint(first) == thumbprint(second)


def test_a_source_that_asks_for_the_account_key_without_saying_so_is_named(keen):
    plugin = keen.appliance.layout.plugins / "keen.py"
    plugin.write_text(plugin.read_text().replace("uses_account_key = True", "uses_account_key = False"))
    keen.appliance.apply()
    [record] = orders(keen).values()
    assert record.problem["cause"].endswith("LookupError: Keen asks for the account key without `uses_account_key`.")


# Memory and ledger


def test_what_it_remembers_and_what_it_did_survive_a_restart(keen):
    keen.appliance.apply()
    keen.settings(alone=["a.example.com", "b.example.com"])
    keen.appliance.apply()
    assert len(keen.said("registered")) == 1
    keen.appliance.change(reissue, ["a.example.com"])
    keen.appliance.apply()
    assert last_order(keen)["before"] == 2


def test_what_it_remembers_is_sealed(keen):
    keen.appliance.apply()
    files = keen.appliance.layout.private.glob("chainwright.db*")
    assert not any(b"https://ca.example.test/1" in path.read_bytes() for path in files)


def test_a_memory_that_is_emptied_is_gone(keen):
    engine = keen.appliance.engine()
    with source_context(engine, "keen") as (_, context):
        context.memory.write("account", {"url": "u"})
        assert context.memory.read("account") == {"url": "u"}
        context.memory.write("account", {})
        assert context.memory.read("account") == {}


def test_a_path_of_its_settings_stands_below_the_root(keen):
    keen.appliance.apply()
    assert last_order(keen)["root"] == str(keen.appliance.root / "etc")


# One object for all orders


def test_all_orders_share_one_object_that_is_closed_at_the_end(keen):
    keen.settings(alone=NAMES)
    keen.appliance.apply()
    assert set(keen.sources().values()) == {"keen"}
    assert len(keen.said("opened")) == 1
    assert len(keen.said("closed")) == 1


def test_no_more_orders_run_at_the_same_time_than_the_source_allows(keen, tmp_path):
    proceed = tmp_path / "proceed"
    keen.rules(gate=str(proceed))
    keen.settings(alone=NAMES)
    engine = keen.appliance.engine()
    engine.run_pass(wait=0)
    until(lambda: len(keen.said("ordered")) == 2, what="two orders run")
    proceed.touch()
    until(lambda: engine.workers.all_delivered, what="all have ended")
    engine.run_pass(wait=0)
    engine.workers.close()
    assert set(keen.sources().values()) == {"keen"}
    assert max(row["inside"] for row in keen.said("entered")) == 2


def test_it_is_kept_across_passes_and_replaced_when_the_settings_change(keen):
    engine = keen.appliance.engine()

    def work(*names: str, more: str = "") -> None:
        keen.settings(alone=names, more=more)
        engine.run_pass(wait=0)
        until(lambda: engine.workers.all_delivered, what="the orders have ended")
        engine.run_pass(wait=0)

    work("a.example.com")
    work("a.example.com", "b.example.com")
    assert (len(keen.said("opened")), len(keen.said("closed"))) == (1, 0)
    work("a.example.com", "b.example.com", "c.example.com", more="quick = true")
    assert (len(keen.said("opened")), len(keen.said("closed"))) == (2, 1)
    engine.workers.close()
    assert len(keen.said("closed")) == 2


def test_it_is_not_closed_while_an_order_uses_it(keen, tmp_path):
    proceed = tmp_path / "proceed"
    keen.rules(gate=str(proceed))
    engine = keen.appliance.engine()
    engine.run_pass(wait=0)
    until(lambda: keen.said("ordered"), what="the order runs")
    keen.settings(alone=["a.example.com"], more="quick = true")
    engine.run_pass(wait=0)
    assert keen.said("closed") == []
    proceed.touch()
    until(lambda: engine.workers.all_delivered, what="the order has ended")
    engine.run_pass(wait=0)
    assert len(keen.said("closed")) == 1
    engine.workers.close()


def test_one_that_can_not_be_closed_is_said(keen):
    keen.rules(close="fails")
    keen.appliance.apply()
    with keen.appliance.store() as store:
        said = [event.text for event in store.journal.since() if event.kind is EventKind.PLUGIN_FAILED]
    assert said == ["Closing what the source keen shared failed: RuntimeError: it is stuck."]


# An order's past


def test_failures_in_a_row_are_counted_but_for_limits_of_the_ca(keen):
    for rules in ({"busy": True}, {"limited": True}, {"busy": True}, {}):
        keen.rules(**rules)
        keen.appliance.apply()
        keen.appliance.clock.advance(hours=2)
    assert [row["attempts"] for row in keen.said("ordered")] == [0, 1, 1, 2]
    assert keen.sources() == {"a.example.com": "keen"}


def test_an_order_that_was_interrupted_goes_on_with_what_it_saved(keen):
    argv = [DYING, keen.appliance.root, "valid", "0"]
    assert prepared.run(argv).returncode == 9
    keen.appliance.apply()
    assert last_order(keen)["saved"] == {"order": "order-1", "valid": True}
    assert len(keen.said("registered")) == 1
    assert keen.sources() == {"a.example.com": "keen"}


def test_the_chain_that_the_new_one_takes_the_place_of_is_at_hand(keen):
    keen.appliance.apply()
    assert last_order(keen)["replaced"] is None
    first = keen.bound()["a.example.com"]
    keen.appliance.clock.advance(days=95)
    keen.appliance.apply()
    assert last_order(keen)["replaced"] == first.id, "though it has expired"
    assert keen.bound()["a.example.com"].id != first.id


def test_a_person_who_insists_is_heeded_once(keen):
    keen.appliance.apply()
    assert last_order(keen)["forced"] is False
    keen.rules(busy=True)
    keen.appliance.change(reissue, ["a.example.com"], force=True)
    keen.appliance.apply()
    assert last_order(keen)["forced"] is True
    keen.appliance.clock.advance(hours=2)
    keen.appliance.apply()
    assert last_order(keen)["forced"] is False, "it failed: the next try is one like any other"


def test_nobody_insists_any_more_when_there_is_a_new_chain(keen):
    keen.appliance.apply()
    keen.appliance.change(reissue, ["a.example.com"], force=True)
    keen.appliance.apply()
    assert [row["forced"] for row in keen.said("ordered")] == [False, True]
    keen.appliance.clock.advance(days=95)
    keen.appliance.apply()
    assert last_order(keen)["forced"] is False


def test_leases_are_renewed_of_orders_that_run_and_of_those_that_wait(keen, tmp_path):
    proceed = tmp_path / "proceed"
    keen.rules(gate=str(proceed))
    keen.settings(alone=NAMES)
    engine = keen.appliance.engine()
    engine.workers = Workers(engine.layout, engine.bus, engine.clock, heartbeat_seconds=0.05)
    engine.run_pass(wait=0)
    keen.appliance.clock.advance(minutes=10)
    with keen.appliance.store() as store:
        until(lambda: len(store.orders.leased(keen.appliance.clock())) == len(NAMES), what="all leases are renewed")
    proceed.touch()
    until(lambda: engine.workers.all_delivered, what="all have ended")
    engine.run_pass(wait=0)
    engine.workers.close()


def test_orders_that_were_not_begun_are_given_back(keen, tmp_path):
    keen.rules(gate=str(tmp_path / "proceed"))
    keen.settings(alone=NAMES)
    result = keen.appliance.apply(timeout=1)
    assert result.unfinished
    assert len(keen.said("ordered")) == 2
    with keen.appliance.store() as store:
        assert store.orders.leased(keen.appliance.clock()) == set()
        assert [record.problem for record in store.orders.records() if record.problem] == []


# When to try again


def test_a_failure_that_may_be_tried_again_at_once_is_not_tried_twice_in_one_run(keen):
    keen.rules(busy=True, retry=-1)
    keen.settings(alone=["a.example.com", "b.example.com"])
    keen.appliance.apply()
    assert len(keen.said("ordered")) == 2
    keen.appliance.apply()
    assert len(keen.said("ordered")) == 4, "but in the next one"


def test_a_failure_whose_next_try_comes_while_the_run_goes_on_is_tried_again(keen):
    keen.rules(busy=True, retry=20)
    engine = keen.appliance.engine()

    def pass_() -> None:
        engine.run_pass(wait=0)
        until(lambda: engine.workers.all_delivered, what="the order has ended")

    pass_()
    pass_()
    assert len(keen.said("ordered")) == 1
    keen.appliance.clock.advance(seconds=21)
    pass_()
    assert len(keen.said("ordered")) == 2
    engine.workers.close()


def test_a_process_that_goes_on_defers_a_failure_that_may_be_tried_again_at_once(keen):
    keen.rules(busy=True, retry=-1)
    engine = keen.appliance.engine()
    engine.run_pass(wait=0)
    until(lambda: engine.workers.all_delivered, what="the order has ended")
    made, _ = engine.run_pass(wait=0)
    assert not engine.workers.busy
    assert made.next_at <= keen.appliance.clock() + timedelta(seconds=60)
    assert len(keen.said("ordered")) == 1
    engine.workers.close()


def test_a_chain_that_is_of_no_use_is_not_ordered_again_in_the_same_run(keen):
    keen.rules(days=0)
    keen.appliance.apply()
    assert len(keen.said("ordered")) == 1
    assert keen.sources() == {"a.example.com": "local"}


# Names that fail


def test_names_that_the_ca_can_not_validate_are_split_off_in_the_same_run(keen):
    keen.settings(["a.example.com", "b.example.com", "c.example.com"])
    keen.rules(bad=["b.example.com"])
    keen.appliance.apply()
    assert keen.sources() == {"together": "keen", "b.example.com": "local"}
    assert keen.bound()["together"].names == ("a.example.com", "c.example.com")


def test_a_name_that_passes_is_taken_back_in_the_same_run(keen):
    keen.settings(["a.example.com", "b.example.com"])
    keen.rules(bad=["b.example.com"])
    keen.appliance.apply()
    keen.rules()
    keen.appliance.clock.advance(hours=2)
    keen.appliance.apply()
    assert keen.sources() == {"together": "keen"}
    assert keen.bound()["together"].names == ("a.example.com", "b.example.com")


def test_a_failure_says_which_names_are_fine(keen):
    keen.settings(alone=["a.example.com", "b.example.com"])
    keen.rules(bad=["a.example.com", "b.example.com"])
    keen.appliance.apply()
    assert failing(keen) == {"a.example.com", "b.example.com"}
    plugin = keen.appliance.layout.plugins / "keen.py"
    together = 'yield self.need(*self.names, *self.alone, slot="together")\n        return\n        failing = ['
    plugin.write_text(plugin.read_text().replace("failing = [", together))
    keen.rules(bad=["b.example.com"])
    keen.appliance.apply()
    assert failing(keen) == {"b.example.com"}


def test_names_that_nobody_needs_any_more_and_sources_that_nobody_asks_are_forgotten(keen):
    keen.settings(["a.example.com", "b.example.com"])
    keen.rules(bad=["b.example.com"])
    keen.appliance.apply()
    keen.settings(["a.example.com"])
    keen.appliance.apply()
    with keen.appliance.store() as store:
        assert store.failing.all() == []
        request = Request(names=frozenset({"a.example.com"}), key_type=KeyType.ECDSA_P256)
        with store.write():
            store.failing.add("gone", ["a.example.com"], request, keen.appliance.clock())
    keen.appliance.clock.advance(hours=13)
    keen.appliance.apply()
    with keen.appliance.store() as store:
        assert store.failing.all() == []


def test_the_ledger_forgets_after_eight_days(keen):
    keen.appliance.apply()
    keen.appliance.clock.advance(days=9)
    keen.appliance.change(reissue)
    keen.appliance.apply()
    with keen.appliance.store() as store:
        rows = store.database.execute("select count(*) from ledger").fetchone()
    assert rows == (1,)


def test_one_failing_order_does_not_hold_the_others_up(keen):
    keen.settings(alone=NAMES)
    keen.rules(bad=[NAMES[3]])
    keen.appliance.apply()
    found = keen.sources()
    assert found.pop(NAMES[3]) == "local"
    assert set(found.values()) == {"keen"}
