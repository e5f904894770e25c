"""Host names that are due when nothing else is: looked up without a pass, as long as they have the addresses that they had."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest

from agent.engine.due_looks import looked
from agent.engine.due_names import due_names, looked_up, postpone
from agent.engine.freshness import still_fresh
from agent.engine.recheck import Recheck
from agent.model.resolved import ResolvedName
from support.appliances.deployed import Deployed


@pytest.fixture
def settled(tunnel: Deployed) -> Deployed:
    """An appliance whose module needs the addresses of two names, one of which doesn't resolve; nothing is due."""
    plugin = tunnel.layout.plugins / "tunnel.py"
    plugin.write_text(f'{plugin.read_text()}\n\nTunnel.names_to_resolve = lambda self, host: ["db.test", "app.test"]\n')
    tunnel.names["db.test"] = ["192.0.2.1", "192.0.2.2"]
    tunnel.apply()
    tunnel.asked.clear()
    return tunnel


def look(appliance: Deployed, **later: float):
    at = (appliance.clock() + timedelta(**later)).timestamp()
    found = looked(str(appliance.root), at, appliance.resolve)
    return found and (round(found.until - at), found.served)


def is_fresh(appliance: Deployed, *, person: bool = False, **later: float) -> bool:
    at = (appliance.clock() + timedelta(**later)).timestamp()
    return still_fresh(str(appliance.root), at, look=person, resolve=appliance.resolve) is not None


def rows(appliance: Deployed) -> list[ResolvedName]:
    with appliance.store() as store:
        return store.resolved.all()


def test_names_are_looked_up_alone_and_again_after_a_minute(settled):
    before = rows(settled)
    assert look(settled, seconds=61) == (pytest.approx(60, abs=1), False)
    assert sorted(settled.asked) == ["app.test", "db.test"]
    after = rows(settled)
    assert [each.addresses for each in after] == [each.addresses for each in before] == [(), ("192.0.2.1", "192.0.2.2")]
    assert all(new.asked_at > old.asked_at for new, old in zip(after, before, strict=True))
    with settled.store() as store:
        assert store.instant("next at") <= settled.clock() + timedelta(seconds=122)
        assert store.meta("trusted")


def test_at_the_end_of_the_interval_it_is_looked_at_what_serves_as_well(settled):
    for minutes in range(1, 15):
        assert look(settled, minutes=minutes, seconds=1)[1] is False
    assert look(settled, minutes=15, seconds=1)[1] is True
    assert len(settled.asked) == 30
    assert look(settled, minutes=16, seconds=2)[1] is False


@pytest.mark.parametrize(
    ("name", "found"),
    [("db.test", ["192.0.2.1"]), ("db.test", ["192.0.2.3"]), ("db.test", "gone"), ("app.test", ["192.0.2.9"])],
)
def test_whatever_else_the_resolver_says_is_for_a_pass(settled, name: str, found: list[str] | str):
    before = rows(settled)
    settled.names[name] = found
    assert look(settled, seconds=61) is None
    assert not is_fresh(settled, seconds=61)
    assert rows(settled) == before


def test_another_order_and_other_words_for_the_same_are_for_nobody(settled):
    settled.names |= {"db.test": ["192.0.2.2", "192.0.2.1"], "app.test": "Temporary failure in name resolution"}
    assert is_fresh(settled, seconds=61)
    assert look(settled, seconds=61) is not None


def test_a_run_with_nothing_to_do_asks_for_no_name_before_it_is_due(settled):
    assert is_fresh(settled, seconds=50)
    assert settled.asked == []
    assert is_fresh(settled, seconds=70)
    assert sorted(settled.asked) == ["app.test", "db.test"]


def test_for_a_person_who_calls_what_did_not_resolve_is_looked_up_at_once(settled):
    assert is_fresh(settled, person=True)
    assert settled.asked == ["app.test"]
    settled.names["app.test"] = ["192.0.2.9"]
    assert not is_fresh(settled, person=True)
    assert rows(settled)[0].addresses == ()
    settled.engine().apply(wait=0, recheck=Recheck.SAMPLE)
    assert rows(settled)[0].addresses == ("192.0.2.9",)


def test_a_damaged_row_is_for_a_pass(settled):
    with sqlite3.connect(settled.layout.database) as database:
        database.execute("update resolved_names set seen = '[]'")
    database.close()
    assert look(settled, seconds=61) is None
    assert not is_fresh(settled, seconds=61)


def test_where_it_is_not_known_what_else_is_due_nothing_is_looked_up_alone(settled):
    with settled.store() as store, store.write():
        store.remember("beside names at", "")
        store.remember("trusted", "")
    assert look(settled, seconds=61) is None


def test_a_name_that_another_run_has_looked_up_meanwhile_is_left_to_it(settled):
    at = (settled.clock() + timedelta(seconds=61)).timestamp()
    with settled.store() as store:
        due = due_names(store.database, at)
        found = looked_up(due, at, settled.resolve)
        settled.clock.advance(seconds=62)
        settled.apply()
        after = rows(settled)
        with store.write():
            postpone(store.database, due, found)
    assert rows(settled) == after


def test_a_pass_that_has_left_something_to_do_is_made_again_after_a_minute_whatever_the_names(settled):
    settled.stop("toyd")
    settled.clock.advance(minutes=16)
    settled.apply()
    with settled.store() as store:
        assert float(store.meta("beside names at")) == pytest.approx(settled.clock().timestamp() + 60, abs=5)
