"""What the root signs for others: signed again in time, taken back, and listed for whoever believes it."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.errors.root import PeerUnknown, RevokedBefore, RootSignsUnusable
from agent.model.events import EventKind
from agent.model.peer import PeerState, serial_of
from agent.operations.revocation import revocation_effects
from agent.operations.root import reissue_root, upload_root
from agent.pki.authority import Root
from agent.pki.revocation import RevocationReason
from support.appliances.branching import HeadOffice, request
from support.cas import certificates as toy_ca

SIGNS_NO_LISTS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@pytest.fixture
def context(appliance):
    return HeadOffice(appliance)


def states(context: HeadOffice) -> list[tuple[str, str]]:
    now = context.appliance.clock()
    return [(each.label, str(each.state(now))) for each in context.peers()]


def crl_numbers(context: HeadOffice) -> list[int]:
    with context.appliance.store() as store:
        return [each.number for each in store.revocations.lists().values()]


def test_a_peer_certificate_is_for_both_ends_and_lasts_for_who_has_to_carry_it(context):
    serial = context.sign("branch-1")
    certificate = context.certificate(serial)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert certificate.not_valid_after_utc - context.appliance.clock() > timedelta(days=395)
    assert context.verdict(serial) == "OK"


def test_a_peer_is_signed_again_with_its_own_key_when_a_third_of_the_time_is_left(context):
    old = context.sign("branch-1")
    context.appliance.clock.advance(days=200)
    assert "sign branches" not in str(context.appliance.apply().performed)
    context.appliance.clock.advance(days=70)
    assert any(
        line.startswith("sign branches/branch-1 again: its renewal") for line in context.appliance.apply().performed
    )
    assert states(context) == [("branch-1", "good"), ("branch-1", "replaced")]
    new = context.peers()[0].serial
    assert context.certificate(new).public_key() == context.certificate(old).public_key()
    assert (context.verdict(old), context.verdict(new)) == ("OK", "OK")
    assert context.appliance.apply().performed == ()


def test_when_a_peer_is_due_is_when_the_agent_wakes(context):
    context.sign("branch-1")
    context.appliance.clock.advance(days=30)
    plan = context.appliance.apply().plan
    (peer,) = context.peers()
    assert plan.next_at is not None
    assert plan.next_at <= peer.not_after - (peer.not_after - peer.not_before) / 3


def test_one_that_the_root_s_own_end_has_cut_short_is_not_signed_again_in_vain(context):
    made = toy_ca.root(now=context.appliance.clock(), days=200)
    context.appliance.change(upload_root, Root(made.key, made.certificate))
    context.sign("branch-1")
    context.appliance.clock.advance(days=170)
    context.appliance.apply()
    (peer,) = context.peers()
    assert peer.renew_at is None
    assert peer.not_after == made.certificate.not_valid_after_utc
    context.appliance.clock.advance(days=20)
    context.appliance.apply()
    after, before = context.peers()
    assert (before.sha256, after.root == peer.root) == (peer.sha256, False)
    assert after.not_after > peer.not_after + timedelta(days=300)


def test_a_root_that_may_not_sign_for_a_peer_is_refused_and_signs_no_such_peer(context):
    context.sign("branch-1")
    (peer,) = context.peers()
    bound = x509.NameConstraints(None, [x509.DNSName(peer.names[0])])
    made = toy_ca.root(now=context.appliance.clock(), critical=(bound,))
    with pytest.raises(RootSignsUnusable) as caught:
        context.appliance.change(upload_root, Root(made.key, made.certificate))
    assert f'may not issue certificates for "{peer.names[0]}" (name constraints)' in str(caught.value)
    other = x509.NameConstraints(None, [x509.DNSName("branch-2.example.test")])
    made = toy_ca.root(now=context.appliance.clock(), critical=(other,))
    context.appliance.change(upload_root, Root(made.key, made.certificate))
    with pytest.raises(RootSignsUnusable):
        context.sign("branch-2")
    assert [each.label for each in context.peers()] == ["branch-1"]


def test_a_new_root_signs_every_peer_again(context):
    old = context.sign("branch-1")
    root = context.appliance.change(reissue_root)
    done = context.appliance.apply().performed
    assert "sign branches/branch-1 again: the root has changed" in done
    new = context.peers()[0]
    assert (new.root, new.label) == (root.sha256, "branch-1")
    assert context.verdict(new.serial) == "OK"
    assert "unable to get local issuer" in context.verdict(old)
    assert any(each.kind is EventKind.PEER_SIGNED for each in context.appliance.events)


def test_a_second_request_for_a_label_replaces_the_first(context):
    first = context.sign("branch-1")
    second = context.sign("branch-1")
    assert states(context) == [("branch-1", "good"), ("branch-1", "replaced")]
    context.revoke(second)
    context.appliance.apply()
    assert states(context) == [("branch-1", "revoked"), ("branch-1", "replaced")]
    assert context.verdict(first) == "OK"  # another key: it's revoked on its own


def test_what_is_revoked_is_listed_and_the_modules_that_verify_peers_get_the_list(context):
    good, bad = context.sign("branch-1"), context.sign("branch-2")
    context.appliance.apply()
    before = context.crl()
    assert list(before) == []
    context.revoke(bad, RevocationReason.KEY_COMPROMISE)
    done = context.appliance.apply().performed
    assert "list what the root has revoked: a certificate was revoked" in done
    crl = context.crl()
    (entry,) = crl
    assert f"{entry.serial_number:x}" == bad
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    assert number == before.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
    assert context.verdict(good) == "OK"
    assert "certificate revoked" in context.verdict(bad)
    assert context.appliance.apply().performed == ()


def test_a_reason_that_is_none_is_left_out(context):
    serial = context.sign("branch-1")
    context.revoke(serial)
    context.appliance.apply()
    (entry,) = context.crl()
    assert list(entry.extensions) == []


def test_a_peer_that_was_revoked_is_not_signed_again(context):
    serial = context.sign("branch-1")
    context.revoke(serial)
    context.appliance.change(reissue_root)
    context.appliance.clock.advance(days=300)
    context.appliance.apply()
    assert [each.serial for each in context.peers()] == [serial]


def test_revoking_a_peer_revokes_what_it_has_replaced_for_the_same_key(context):
    old = context.sign("branch-1")
    context.appliance.clock.advance(days=300)
    context.appliance.apply()
    new = context.peers()[0].serial
    context.revoke(new)
    context.appliance.apply()
    assert {f"{each.serial_number:x}" for each in context.crl()} == {old, new}


def test_one_that_was_replaced_is_revoked_alone(context):
    old = context.sign("branch-1")
    context.appliance.clock.advance(days=300)
    context.appliance.apply()
    context.revoke(old)
    assert states(context) == [("branch-1", "good"), ("branch-1", "revoked")]


def test_what_an_earlier_root_has_signed_can_still_be_revoked_and_stays_listed(context):
    first, second = context.sign("branch-1"), context.sign("branch-2")
    context.revoke(first)
    context.appliance.apply()
    context.appliance.change(reissue_root)
    context.appliance.apply()
    context.revoke(second)
    context.appliance.apply()
    with context.appliance.store() as store:
        present, old = store.roots.all()
        lists = store.revocations.lists()
    assert lists[old.sha256].serials == tuple(sorted([first, second]))
    assert lists[present.sha256].serials == ()
    crl = x509.load_pem_x509_crl(lists[old.sha256].pem.encode())
    key = x509.load_pem_x509_certificate(old.certificates.encode()).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(key)


def test_a_list_is_made_anew_when_a_third_of_its_time_is_left(context):
    assert crl_numbers(context) == [1]
    context.appliance.clock.advance(days=19)
    context.appliance.apply()
    assert crl_numbers(context) == [1]
    context.appliance.clock.advance(days=2)
    done = context.appliance.apply().performed
    assert any(line.startswith("list what the root has revoked: its renewal has been due since") for line in done)
    assert crl_numbers(context) == [2]
    assert context.crl().next_update_utc > context.appliance.clock() + timedelta(days=29)


def test_an_entry_leaves_the_list_after_it_stood_in_one_beyond_its_certificate_s_end(context):
    serial = context.sign("branch-1")
    context.revoke(serial)
    for _ in range(20):
        context.appliance.apply()
        listed = [f"{each.serial_number:x}" for each in context.crl()]
        (peer,) = context.peers()
        if context.appliance.clock() <= peer.not_after:
            assert listed == [serial]
        if not listed:
            break
        context.appliance.clock.advance(days=25)
    assert listed == []
    with context.appliance.store() as store:
        last = next(iter(store.revocations.lists().values()))
    assert last.this_update - peer.not_after > timedelta(days=20)


def test_a_root_that_may_not_sign_lists_goes_without_one(context):
    made = toy_ca.root(now=context.appliance.clock(), extensions=(SIGNS_NO_LISTS,))
    context.appliance.change(upload_root, Root(made.key, made.certificate))
    context.appliance.apply()
    assert (context.live / "root.crl").read_text() == ""
    assert context.appliance.apply().performed == ()


def test_a_local_chain_is_revoked_by_its_serial_and_a_new_one_takes_its_place(context):
    with context.appliance.store() as store:
        (record,) = store.chains.records()
    found = context.appliance.change(revocation_effects, record.serial.upper())
    assert [f"{each.module}/{each.slot}" for each in found.switches] == ["branches/office"]
    context.revoke(record.serial, RevocationReason.SUPERSEDED)
    context.appliance.apply()
    with context.appliance.store() as store:
        (binding,) = store.modules.bindings()
    assert binding.chain not in {None, record.id}
    assert [f"{each.serial_number:x}" for each in context.crl()] == [record.serial]
    with pytest.raises(RevokedBefore):
        context.revoke(record.serial)


def test_what_was_never_signed_or_is_revoked_is_refused(context):
    serial = context.sign("branch-1")
    with pytest.raises(PeerUnknown):
        context.revoke("abcdef")
    context.revoke(serial)
    with pytest.raises(RevokedBefore):
        context.revoke(serial)


def test_a_request_that_can_not_be_signed_again_is_tried_a_day_later_and_holds_nothing_up(context):
    context.sign("branch-1")
    with context.appliance.store() as store, store.write():
        store.database.execute("update peers set csr = 'damaged'")
    root = context.appliance.change(reissue_root)
    context.appliance.apply()
    assert context.peers()[0].root != root.sha256
    assert [each.text for each in context.appliance.events if each.kind is EventKind.PEER_FAILED] == [
        "branch-1: The certificate signing request can't be signed: it has no whole block of its kind in PEM form."
    ]
    assert context.appliance.apply().performed == ()
    with context.appliance.store() as store, store.write():
        store.database.execute("update peers set csr = ?", [request().decode()])
    context.appliance.clock.advance(days=1, minutes=1)
    context.appliance.apply()
    assert context.peers()[0].root == root.sha256


@pytest.mark.parametrize("text", ["0x4F2A", "00:4f:2a", " 4f2a ", "4F2A"])
def test_a_serial_number_is_known_however_it_is_written(text):
    assert serial_of(text) == "4f2a"


def test_a_peer_certificate_that_has_ended_says_so(context):
    context.sign("branch-1")
    (peer,) = context.peers()
    assert peer.state(peer.not_after) is PeerState.EXPIRED
