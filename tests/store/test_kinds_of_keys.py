"""Key types of roots and of what they have signed for others, where an earlier version did not keep them."""

from __future__ import annotations

from datetime import timedelta

from sqlite_utils import Database

from agent.pki.authority import Root
from agent.pki.key import KeyKind, KeyType
from agent.store import Store
from agent.store import migrations as steps
from support.cas.certificates import DAY, NOW

AT = NOW.isoformat()


def test_an_earlier_version_s_roots_are_main_ones_and_their_key_types_are_read_out_of_the_certificates():
    root = Root.create("gw Root CA", "", NOW, NOW, lifetime=timedelta(days=3650), key_type=KeyType.RSA_2048)
    row = {
        "sha256": root.sha256,
        "subject": root.subject,
        "not_before": AT,
        "not_after": (NOW + 3650 * DAY).isoformat(),
        "certificates": root.pem().decode(),
        "sealed_key": b"",
        "created_at": AT,
        "signs_at": AT,
        "prepared": 0,
        "uploaded": 0,
    }
    database = Database(memory=True)
    steps.migrations.apply(database, stop_before="m026_key_types")
    database.table("roots").insert_all([row, {**row, "sha256": "unreadable", "certificates": ""}])
    steps.migrations.apply(database)
    found = {each["sha256"]: (each["key_type"], each["beside"]) for each in database.table("roots").rows}
    assert found == {root.sha256: ("rsa-2048", 0), "unreadable": ("ecdsa-p256", 0)}


def test_each_of_two_roots_takes_the_place_of_its_own_kind(store: Store):
    made = [Root.create(str(each), "", NOW, NOW, key_type=each) for each in (KeyType.ECDSA_P256, KeyType.RSA_2048)]
    main, other = made
    again = Root.create("again", "", NOW, NOW, key_type=KeyType.RSA_2048)
    with store.write():
        store.roots.add(main, NOW)
        store.roots.add(other, NOW, beside=True)
        store.roots.prepare(again, NOW, signs_at=NOW + DAY, beside=True)
    loaded = [store.roots.load_signing(kind, NOW) for kind in (KeyKind.ELLIPTIC, KeyKind.RSA)]
    assert [each and each.sha256 for each in loaded] == [main.sha256, other.sha256]
    assert (store.roots.prepared(), store.roots.present().sha256) == (None, main.sha256)
    with store.write():
        store.roots.begin(again.sha256, NOW + DAY)
    assert [str(each.phase) for each in store.roots.all()] == ["signing", "replaced", "signing"]
    with store.write():
        store.roots.end(again.sha256, NOW + 2 * DAY)
    last = store.roots.load_signing(KeyKind.RSA, NOW)
    assert last is not None
    assert last.sha256 == main.sha256


def test_the_date_of_those_that_one_at_once_has_retired_is_a_person_s(store: Store):
    first, second, third = (Root.create(name, "", NOW, NOW) for name in ("first", "second", "third"))
    with store.write():
        store.roots.add(first, NOW)
        store.roots.prepare(second, NOW, signs_at=NOW + DAY)
        store.roots.begin(second.sha256, NOW + DAY)
        store.roots.add(third, NOW + 2 * DAY)
    gone = [each for each in store.roots.all() if not each.believed]
    assert {(each.subject, each.replaced_at, each.retired_at, each.retires_at) for each in gone} == {
        ("first", NOW + DAY, NOW + 2 * DAY, NOW + 2 * DAY),
        ("second", NOW + 2 * DAY, NOW + 2 * DAY, NOW + 2 * DAY),
    }
