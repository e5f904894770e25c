"""Looks that are due when nothing else is: made without settings and plugins, and only while all is as the last pass left it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agent.engine.due_looks import A_PASS, looked
from agent.report import read_snapshot
from support.appliances.deployed import Deployed

INTERVAL = 900


def now_of(appliance: Deployed, **later: float) -> float:
    return (appliance.clock() + timedelta(**later)).timestamp()


@pytest.fixture
def settled(tunnel: Deployed) -> Deployed:
    """An appliance at which nothing is due for a quarter of an hour."""
    tunnel.apply()
    assert looked(str(tunnel.root), now_of(tunnel)) is not None
    return tunnel


def next_looks(appliance: Deployed) -> set[float]:
    with appliance.store() as store:
        return {each.next_at.timestamp() for each in store.endpoints.all()}


def test_what_is_due_is_postponed_by_what_was_seen(settled):
    at = now_of(settled, seconds=INTERVAL)
    assert looked(str(settled.root), at).until == pytest.approx(at + INTERVAL)
    assert [*next_looks(settled)] == [pytest.approx(at + INTERVAL)]
    settled.clock.advance(seconds=INTERVAL + 1)
    assert settled.apply().performed == ()
    seen = read_snapshot(settled.layout, settled.clock())
    assert {each.checked_at for each in seen.endpoints} == {datetime.fromtimestamp(at, UTC)}
    assert seen.next_at == datetime.fromtimestamp(at + INTERVAL, UTC)


def test_after_some_of_them_a_pass_looks(settled):
    looks = [now_of(settled, seconds=number * INTERVAL) for number in range(1, A_PASS + 1)]
    assert [looked(str(settled.root), at) is not None for at in looks] == [*[True] * (A_PASS - 1), False]


def test_a_service_that_presents_something_else_is_for_a_pass(settled):
    (settled.layout.module("tunnel").live / "tunnel.pem").unlink(missing_ok=True)
    before = next_looks(settled)
    settled.stop("toyd")
    assert looked(str(settled.root), now_of(settled, seconds=INTERVAL)) is None
    assert next_looks(settled) == before


def test_another_certificate_at_the_address_is_for_a_pass(settled):
    with settled.store() as store, store.write():
        evidence = store.meta("evidence")
        lines = [
            line.replace(" " + line.split(" ")[2], " " + "0" * 64) if line.count(" ") >= 3 else line
            for line in evidence.split("\n")
        ]
        store.remember("evidence", "\n".join(lines))
    assert looked(str(settled.root), now_of(settled, seconds=INTERVAL)) is None


@pytest.mark.parametrize("change", ["settings", "chain", "wrong", "clock"])
def test_whatever_has_changed_is_for_a_pass(settled, change):
    at = now_of(settled, seconds=INTERVAL)
    if change == "settings":
        settled.layout.settings.write_text(settled.layout.settings.read_text() + "\n")
    elif change == "clock":
        at = now_of(settled, days=-1)
    else:
        with settled.store() as store, store.write():
            kept = store.meta("trusted")
            row = "update chains set serial = serial" if change == "chain" else "update endpoints set ok = 0"
            store.database.execute(row)
            if change == "wrong":
                store.remember("trusted", kept)
    assert looked(str(settled.root), at) is None


def test_where_something_else_is_due_it_is_no_look(settled):
    with settled.store() as store:
        other = min(each.not_after for each in store.chains.records())
    assert looked(str(settled.root), other.timestamp()) is None


def test_without_a_state_there_is_nothing_to_look_at(tmp_path):
    assert looked(str(tmp_path), 0.0) is None
