"""What is kept beside the database of what is in service: it follows a switch that is undone, and a bad file costs itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from agent.deploy.undoing import undo_interrupted
from agent.engine.copying import COPIED_AT
from agent.errors.store import DatabaseLost
from agent.model.deployment import Outcome, Step
from agent.store.copies import copies, make_copy
from agent.store.published_lists import take_in_lists
from agent.store.served_chains import served_rows, unknown_modules
from support.appliances.deployed import Deployed

NO_ROWS = (
    {"generation": 1},
    {"generation": 1, "chains": None},
    {"generation": 1, "chains": 5},
    {"generation": 1, "chains": [None]},
    {"generation": 1, "chains": [{}]},
    {"generation": 1, "chains": [{"sealed_key": 5}]},
    {"generation": 1, "chains": [{"sealed_key": "no hexadecimal"}]},
    {"generation": 1, "chains": [{"sealed_key": "00"}]},
    {"generation": 1, "chains": [{"sealed_key": "00", "id": ["a", "list"]}]},
    {"generation": 1, "chains": ["text"]},
)


def lose(appliance: Deployed) -> None:
    for path in appliance.layout.private.glob("chainwright.db*"):
        path.unlink()


def kept_chains(appliance: Deployed) -> list[str]:
    assert unknown_modules(appliance.layout) == []
    return [row["id"] for row in served_rows(appliance.layout)]


@pytest.mark.parametrize("shape", NO_ROWS, ids=json.dumps)
def test_a_file_of_another_shape_keeps_no_copy_from_being_restored(tunnel, shape):
    with tunnel.store() as store:
        make_copy(store.layout, store.database, store.sealer, "daily", tunnel.clock())
    live = int(tunnel.live("tunnel").name)
    file = tunnel.layout.private / "served-tunnel.json"
    file.write_text(json.dumps(shape | {"generation": live}))
    chain = tunnel.chains("tunnel")
    lose(tunnel)
    tunnel.apply()
    assert tunnel.chains("tunnel") == chain
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE


def test_one_column_of_another_kind_costs_its_own_chain(tunnel):
    with tunnel.store() as store:
        make_copy(store.layout, store.database, store.sealer, "daily", tunnel.clock())
    file = tunnel.layout.private / "served-tunnel.json"
    kept = json.loads(file.read_text())
    good = kept["chains"][0]
    bad = [good | {"id": name, "not_before": value} for name, value in (("a", ["x"]), ("b", 2**70), ("c", "never"))]
    file.write_text(json.dumps(kept | {"chains": [*bad, good]}))
    assert [row["id"] for row in served_rows(tunnel.layout)] == ["c", good["id"]]
    with tunnel.store() as store, store.write():
        store.chains.delete(good["id"])
        assert [store.chains.take_in(row) for row in served_rows(tunnel.layout)] == [False, True]


def test_a_chain_whose_row_is_damaged_is_taken_in_again(tunnel):
    (chain,) = tunnel.chains("tunnel").values()
    with tunnel.store() as store, store.write():
        store.database.execute("update chains set names = 'no JSON' where id = ?", [chain])
        store.forget()
        assert [store.chains.take_in(row) for row in served_rows(tunnel.layout)] == [True]
        assert store.chains.load(chain).id == chain


@pytest.mark.parametrize("shape", NO_ROWS[1:], ids=json.dumps)
def test_without_a_copy_a_file_of_another_shape_is_not_taken_for_all_that_is_served(tunnel, shape):
    for copy in copies(tunnel.layout):
        copy.path.unlink()
    live = int(tunnel.live("tunnel").name)
    (tunnel.layout.private / "served-tunnel.json").write_text(json.dumps(shape | {"generation": live}))
    lose(tunnel)
    with pytest.raises(DatabaseLost):
        tunnel.apply()
    assert not tunnel.layout.database.exists()


@pytest.mark.parametrize("numbered", [True, False])
def test_a_list_without_a_number_gives_its_entries(tunnel, numbered):
    now = datetime(2026, 11, 30, tzinfo=UTC)
    with tunnel.store() as store, store.write():
        root = store.roots.load()
        (tunnel.live("tunnel") / "own.crl").write_bytes(published_list(root, now, numbered=numbered))
        (tunnel.live("tunnel") / "torn.crl").write_bytes(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
        assert take_in_lists(store, tunnel.layout, now) == 1
        assert [each.serial for each in store.revocations.all()] == ["4d2"]
        assert [each.number for each in store.revocations.lists().values()] == [7 if numbered else 1]


def published_list(root, now: datetime, *, numbered: bool) -> bytes:
    entry = x509.RevokedCertificateBuilder().serial_number(1234).revocation_date(now).build()
    certificate = x509.load_pem_x509_certificate(root.pem())
    builder = x509.CertificateRevocationListBuilder(certificate.subject, now, now + timedelta(days=7), [], [entry])
    if numbered:
        builder = builder.add_extension(x509.CRLNumber(7), critical=False)
    return builder.sign(root.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_after_a_switch_was_undone_it_tells_what_is_in_service_again(tunnel):
    before = kept_chains(tunnel)
    tunnel.control("toyd").write_text("ignore")
    tunnel.renew()
    with tunnel.store() as store, store.write():
        store.remember(COPIED_AT, tunnel.clock().isoformat())  # the copy of the day would keep it, too
    tunnel.apply()
    assert tunnel.deployment("tunnel").outcome is not Outcome.LIVE
    assert kept_chains(tunnel) == before


def test_after_an_interrupted_switch_was_undone_by_its_record_alone(tunnel):
    before = kept_chains(tunnel)
    tunnel.renew()
    tunnel.dies_at(Step.PROBING)
    with tunnel.store() as store:
        assert undo_interrupted(store, tunnel.clock()) == ["tunnel"]
    assert kept_chains(tunnel) == before
