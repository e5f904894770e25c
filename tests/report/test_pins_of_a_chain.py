"""Where an uploaded chain is pinned and can be, from the rows of the store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from agent.health.snapshot import Snapshot
from agent.model.need import Need
from agent.model.pin import Pin
from agent.model.records import UPLOADED, ChainRecord
from agent.pki.chain import KeyType, Purpose
from agent.report.pins import pins_of

NOW = datetime(2030, 1, 1, tzinfo=UTC)
RECORD = ChainRecord(
    id="ab" * 32,
    source=UPLOADED,
    names=("a.example.com",),
    key_type=KeyType.ECDSA_P256,
    purposes=frozenset({Purpose.SERVER}),
    issuer="CA",
    serial="1",
    not_before=NOW - timedelta(days=1),
    not_after=NOW + timedelta(days=1),
    fingerprints=(),
    created_at=NOW,
)
A = Need(("a.example.com",), slot="a").of("mail")
B = Need(("b.example.com",), slot="b").of("mail")


def found(needs, pins=(), record=RECORD, now=NOW):
    """Return slot, whether the settings pin it, who has pinned it, which other one is, and the obstacle."""
    snapshot = Snapshot(needs=tuple(needs), pins=tuple(pins), chains=(record,))
    return [
        (each.slot, each.in_settings, each.who, each.other, each.obstacle) for each in pins_of(snapshot, record, now)
    ]


def test_needs_that_an_upload_could_serve_are_told_and_no_others():
    assert found([B, A]) == [("a", False, "", None, "")]
    assert found([A, B], record=replace(RECORD, source="acme")) == []
    assert found([A], now=NOW + timedelta(days=2)) == []


def test_a_person_s_pin_is_told_even_where_it_is_of_no_use():
    pins = [Pin("mail", slot, RECORD.id, "ann", NOW) for slot in ("a", "b", "gone")]
    assert found([A, B], pins) == [
        ("a", False, "ann", None, ""),
        ("b", False, "ann", None, "it does not cover b.example.com"),
        ("gone", False, "ann", None, "mail asks for no chain there"),
    ]


def test_another_upload_that_is_pinned_is_named():
    other = "cd" * 32
    assert found([A], [Pin("mail", "a", other, "ann", NOW), Pin("mail", "gone", other, "ann", NOW)]) == [
        ("a", False, "", other, "")
    ]


def test_a_pin_of_the_settings_is_told_where_it_is_meant():
    pinned = [replace(need, pin="abab") for need in (A, B)]
    assert found(pinned) == [("a", True, "", None, "")]
    late = NOW + timedelta(days=2)
    ((slot, in_settings, *_, obstacle),) = found(pinned, now=late)
    assert (slot, in_settings, obstacle) == (
        "a",
        True,
        "it is good from 2029-12-31T00:00:00Z until 2030-01-02T00:00:00Z only",
    )
    assert found([replace(A, pin="cdcd")]) == [("a", False, "", None, "")]
