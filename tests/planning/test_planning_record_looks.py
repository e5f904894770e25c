"""When records of dns-persist-01 are looked at, and for which names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from agent.contract.source import OrderRecord
from agent.model.binding import Binding
from agent.model.need import Need
from agent.model.persistent import PersistentLook, proved
from agent.planning.actions import LookAtRecords, action_json, describe
from agent.planning.evidence import Evidence
from agent.planning.records import AFTER_ONE_GO, MOST_LOOKS, record_looks
from agent.planning.state import ClockDoubt, State
from agent.registry.sources import SourceHandle
from agent.sources import AcmeSource

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ACME = SourceHandle(AcmeSource(directory="https://ca.example/dir"))
WILD, APEX, WWW = "*.example.com", "example.com", "www.example.com"
LOOK = PersistentLook("acme", APEX, names=(WILD,), asked_at=NOW, next_at=NOW + HOUR)


def planned(
    names: Iterable[str],
    *looks: PersistentLook,
    source: SourceHandle = ACME,
    order: OrderRecord | None = None,
    now: datetime = NOW,
    doubt: ClockDoubt | None = None,
) -> tuple[list[LookAtRecords], tuple[datetime, ...]]:
    need = Need(tuple(names), module="web")
    orders = {(need.request.id, "acme"): order} if order else {}
    evidence = Evidence(ladder=(source,), chains=(), orders=orders, signers={})
    state = State(evidence, {}, {}, (), (), records=looks, doubt=doubt)
    found = record_looks([need], [Binding("web", "default", None, "", None)], state, now)  # type: ignore[arg-type]
    return list(found.due), found.instants


def asked(names: Iterable[str], *looks: PersistentLook, **more: object) -> tuple[str, ...]:
    due, _ = planned(names, *looks, **more)  # type: ignore[arg-type]
    return tuple(name for each in due for name in each.names)


def test_wildcards_are_looked_at_with_the_name_that_shares_their_record() -> None:
    due, instants = planned([WILD, APEX, WWW])
    assert due == [LookAtRecords("acme", (WILD, APEX), frozenset({WILD, APEX}))]
    assert instants == ()
    assert describe(due[0]) == "look for the TXT records that prove names: it has been a while"
    assert action_json(due[0])["names"] == [WILD, APEX]


def test_other_names_are_looked_at_when_their_order_has_failed_or_their_record_was_right() -> None:
    assert asked([WWW]) == ()
    failed = OrderRecord(request="", source="acme", problem={"code": "source.validation_failed"})
    assert asked([WWW], order=failed) == (WWW,)
    assert asked([WWW], PersistentLook("acme", WWW, right_at=NOW)) == (WWW,)


def test_a_pause_is_kept_and_a_name_that_is_new_to_a_record_is_not_held_by_it() -> None:
    assert planned([WILD], LOOK) == ([], (NOW + HOUR,))
    assert asked([WILD], LOOK, now=NOW + HOUR) == (WILD,)
    assert asked([WILD, APEX], LOOK) == (WILD, APEX), "one record proves both, and is looked at for both"
    assert asked([WILD], replace(LOOK, next_at=NOW + timedelta(days=40))) == (WILD,), "no pause is so long"


def test_nothing_is_looked_at_where_it_would_be_of_no_use() -> None:
    assert asked(["192.0.2.1", "*.gw.internal"]) == ()
    http = AcmeSource(directory="https://ca.example/dir", challenges=["http-01"])
    assert asked([WILD], source=SourceHandle(http)) == ()
    assert asked([WILD], doubt=ClockDoubt()) == ()


def test_what_was_seen_for_another_ca_proves_nothing_and_is_looked_at_at_once() -> None:
    right = replace(
        LOOK, origin="https://ca.example/dir", proves=(WILD,), right_at=NOW, right_value="x", seen=2, servers=2
    )
    assert right.at("https://ca.example/dir") is right
    other = right.at("https://other.example/dir")
    assert proved([other], NOW) == {"acme": frozenset()}
    assert asked([WILD], other) == (WILD,)
    assert (other.origin, other.right_at, other.right_value) == ("https://other.example/dir", NOW, "x")


def test_a_record_proves_until_its_own_end() -> None:
    right = replace(LOOK, proves=(WILD,), until=NOW + HOUR)
    assert proved([right, PersistentLook("other", WWW, proves=(WWW,))], NOW) == {
        "acme": frozenset({WILD}),
        "other": frozenset({WWW}),
    }
    assert proved([right], NOW + HOUR) == {}


def test_of_thousands_some_are_looked_at_in_one_go_those_first_that_wait_longest() -> None:
    names = [f"*.n{number:04}.example.com" for number in range(MOST_LOOKS + 50)]
    looks = [PersistentLook("acme", each[2:], names=(each,), asked_at=NOW - HOUR) for each in names[:50]]
    due, instants = planned(names, *looks)
    assert due == [LookAtRecords("acme", tuple(names[50:]), frozenset(names[50:]))]
    assert instants == (NOW + AFTER_ONE_GO,)
    done = [PersistentLook("acme", each[2:], names=(each,), asked_at=NOW, next_at=NOW + HOUR) for each in names[50:]]
    due, instants = planned(names, *looks, *done)
    assert due == [LookAtRecords("acme", tuple(names[:50]), frozenset(names[:50]))]
    assert instants == (NOW + HOUR,)
