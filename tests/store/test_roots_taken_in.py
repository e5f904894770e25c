"""Roots that only their sealed files tell of, after a database was lost: the one that has signed what is served goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.model.root import RootPhase
from agent.pki.authority import Root
from agent.pki.key import KeyType
from agent.store import Store
from support.cas.certificates import NOW

PREPARED, SIGNING, REPLACED, RETIRED = RootPhase.PREPARED, RootPhase.SIGNING, RootPhase.REPLACED, RootPhase.RETIRED


def a_root(name: str, days: int, key_type: KeyType = KeyType.ECDSA_P256) -> Root:
    at = NOW + timedelta(days=days)
    return Root.create(name, "", at, NOW, key_type=key_type)


OLD, NEW, NEXT = a_root("old", 0), a_root("new", 10), a_root("next", 20)
RSA = a_root("RSA", 1, KeyType.RSA_2048)


def lost(store: Store, *roots: Root) -> None:
    """Have the sealed files of roots, and nothing in the database."""
    with store.write():
        for each in roots:
            store.roots.add(each, NOW)
        store.database.execute("delete from roots")


def phases(store: Store) -> dict[str, RootPhase]:
    return {each.subject.partition("CN=")[2] or each.subject: each.phase for each in store.roots.all()}


@pytest.mark.parametrize(
    ("signed", "expected"),
    [
        ([OLD], {"old": SIGNING, "new": PREPARED}),
        ([NEW], {"old": RETIRED, "new": SIGNING}),
        ([OLD, NEW], {"old": REPLACED, "new": SIGNING}),
        ([], {"old": RETIRED, "new": SIGNING}),
    ],
    ids=["none yet", "all", "some", "nothing is served"],
)
@pytest.mark.parametrize("copied", ["old", "nothing"])
def test_the_newest_that_has_signed_what_is_served_signs(store, signed, expected, copied):
    lost(store, OLD, NEW)
    if copied == "old":
        with store.write():
            store.roots.add(OLD, NOW)
        expected = expected | {"old": REPLACED} if signed == [NEW] else expected
        expected = {"old": SIGNING, "new": PREPARED} if not signed else expected
    with store.write():
        store.roots.take_in_files({each.sha256 for each in signed}, NOW + timedelta(days=30))
    assert phases(store) == expected


def test_what_a_copy_calls_prepared_and_has_signed_since_signs(store):
    with store.write():
        store.roots.add(OLD, NOW)
        store.roots.prepare(NEW, NOW, signs_at=NOW + timedelta(days=90))
        store.roots.take_in_files({NEW.sha256}, NOW)
    assert phases(store) == {"old": REPLACED, "new": SIGNING}


@pytest.mark.parametrize("later", [False, True], ids=["ends first", "ends last"])
@pytest.mark.parametrize(
    ("signed", "expected"),
    [
        ([OLD, RSA], {"old": SIGNING, "RSA": SIGNING}),
        ([RSA], {"old": SIGNING, "RSA": SIGNING}),
        ([OLD], {"old": SIGNING, "RSA": PREPARED}),
        ([], {"old": SIGNING, "RSA": PREPARED}),
    ],
    ids=["both", "the one beside", "the main one", "neither"],
)
def test_the_one_beside_stays_beside_whatever_either_has_signed(store, signed, expected, later):
    beside = RSA if later else a_root("RSA", -1, KeyType.RSA_2048)
    with store.write():
        store.roots.add(OLD, NOW)
        store.roots.add(beside, NOW, beside=True, uploaded=True)
        store.database.execute("delete from roots")
        store.roots.take_in_files({(beside if each is RSA else each).sha256 for each in signed}, NOW)
    assert phases(store) == expected
    assert {each.sha256: (each.beside, each.uploaded) for each in store.roots.all()} == {
        OLD.sha256: (False, False),
        beside.sha256: (True, True),
    }


def test_one_beside_is_taken_in_where_the_copy_knows_the_main_one(store):
    lost(store, OLD)
    with store.write():
        store.roots.add(RSA, NOW, beside=True)
        store.database.execute("delete from roots")
        store.roots.add(OLD, NOW)
        store.roots.take_in_files({OLD.sha256, RSA.sha256}, NOW)
    assert phases(store) == {"old": SIGNING, "RSA": SIGNING}
    assert store.roots.present(beside=True).sha256 == RSA.sha256


def test_sealed_files_that_are_gone_are_written_again(store):
    with store.write():
        store.roots.add(OLD, NOW)
        store.roots.prepare(NEW, NOW, signs_at=NOW + timedelta(days=90))
    for path in store.layout.private.glob("root-*"):
        path.unlink()
    store.roots.write_files()
    with store.write():
        store.database.execute("delete from roots")
        taken = store.roots.take_in_files({OLD.sha256}, NOW)
    assert {each.sha256 for each in taken} == {OLD.sha256, NEW.sha256}
    assert phases(store) == {"old": SIGNING, "new": PREPARED}
