"""What a CA delivers otherwise than RFC 8555 section 9.1 wants it: mended, completed, and never ordered twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agent.pki.anchors import Anchors
from agent.pki.chain import Chain
from agent.sources.acme.delivered_chain import NotAsOrdered, read_delivery
from support.cas import certificates as toy_ca
from support.cas.stub_ca import StubCa
from support.fakes.orderer import Opened, Orderer
from support.fakes.source_context import utc_now

KEY = toy_ca.p256_key()
ROOT = toy_ca.root("Root A")
UPPER = ROOT.authority("Upper A")
ISSUER = UPPER.authority("Issuer A")
FOREIGN = toy_ca.root("Root B").authority("Issuer B")
LEAF = ISSUER.leaf("a.chain.dev", key=KEY)
PATH = (ISSUER.certificate, UPPER.certificate)


def read(*parties: toy_ca.Party, known: Sequence[toy_ca.Party] = (), earlier: Sequence[toy_ca.Party] = ()):
    pem = toy_ca.pem(*(each.certificate for each in parties)).decode()
    anchors = Anchors([each.certificate for each in known])
    return read_delivery(pem, KEY, anchors, [each.certificate for each in earlier])


@pytest.mark.parametrize(
    ("parties", "mended"),
    [
        ((LEAF, ISSUER, UPPER), ""),
        ((LEAF, ISSUER, UPPER, ROOT), ""),
        ((ISSUER, LEAF, UPPER), "in the wrong order"),
        ((UPPER, ISSUER, LEAF), "in the wrong order"),
        ((LEAF, ROOT, UPPER, ISSUER), "in the wrong order"),
        ((LEAF, LEAF, ISSUER, UPPER), "some of it twice"),
        ((LEAF, ISSUER, UPPER, ISSUER, ROOT, ROOT), "some of it twice"),
        ((LEAF, ISSUER, UPPER, FOREIGN), "with Issuer B, which is left out"),
        ((UPPER, LEAF, LEAF, ISSUER), "some of it twice, in the wrong order"),
    ],
    ids=["right", "root", "leaf second", "upside down", "root second", "leaf twice", "many twice", "foreign", "both"],
)
def test_order_duplicates_and_what_belongs_to_nothing_are_mended_and_a_root_is_not_served(
    parties: tuple[toy_ca.Party, ...], mended: str
):
    delivered = read(*parties)
    assert delivered.chain.leaf == LEAF.certificate
    assert delivered.chain.intermediates == PATH
    assert delivered.chain.anchor == (ROOT.certificate if ROOT in parties else None)
    assert delivered.mended == mended
    assert not delivered.known


def with_an_impossible_key() -> toy_ca.Party:
    """Return an authority whose public key is on no curve."""
    point = FOREIGN.certificate.public_key().public_numbers().y.to_bytes(32, "big")
    der = FOREIGN.certificate.public_bytes(Encoding.DER)
    return toy_ca.Party(FOREIGN.key, x509.load_der_x509_certificate(der.replace(point, bytes(32))))


def test_a_key_that_can_not_be_read_does_no_harm_where_it_belongs_to_nothing():
    odd = with_an_impossible_key()
    assert read(odd, LEAF, ISSUER, UPPER).mended == "with Issuer B, which is left out"
    with pytest.raises(NotAsOrdered, match="Only certificates of authorities were given"):
        read(odd)


def test_more_certificates_than_a_path_can_have_are_refused_at_once():
    many = [toy_ca.issue("Issuer A", issuer=UPPER, ca=True, key=ISSUER.key, days=days) for days in range(1, 101)]
    with pytest.raises(NotAsOrdered, match=r"^it holds more than 100 certificates$"):
        read(*many, LEAF)
    assert (
        read(*many[:99], LEAF).mended
        == "in the wrong order, with Issuer A, Issuer A, Issuer A and 95 more, which is left out"
    )


def test_of_two_certificates_of_an_issuer_the_one_that_the_ca_chose_is_served():
    other = toy_ca.root("Root B")
    cross = toy_ca.issue("Root A", issuer=other, ca=True, key=ROOT.key, days=30)
    assert read(LEAF, ISSUER, UPPER, cross).chain.intermediates == (*PATH, cross.certificate)
    assert read(LEAF, ISSUER, UPPER, cross, other).chain.anchor == other.certificate


@pytest.mark.parametrize("parties", [(LEAF, ISSUER, UPPER), (LEAF, ISSUER, UPPER, ROOT), (UPPER, LEAF, ISSUER)])
def test_a_chain_to_a_root_that_is_trusted_here_is_known(parties: tuple[toy_ca.Party, ...]):
    delivered = read(*parties, known=[ROOT])
    assert delivered.known
    assert delivered.chain.anchor == ROOT.certificate


def test_a_chain_to_an_intermediate_that_is_trusted_here_is_known():
    assert read(LEAF, ISSUER, known=[ISSUER]).known
    delivered = read(LEAF, known=[ISSUER])
    assert delivered.known
    assert delivered.chain.intermediates == (ISSUER.certificate,)


@pytest.mark.parametrize(
    ("parties", "added"), [((LEAF,), "Issuer A, Upper A"), ((LEAF, ISSUER), "Upper A"), ((LEAF, UPPER), "Issuer A")]
)
def test_an_issuer_that_is_missing_is_taken_from_the_chain_before(parties: tuple[toy_ca.Party, ...], added: str):
    delivered = read(*parties, earlier=[UPPER, ISSUER], known=[ROOT])
    assert delivered.chain.intermediates == PATH
    assert delivered.known
    assert f"without {added}, which is added" in delivered.mended


def test_an_issuer_of_the_same_name_and_another_key_is_not_taken():
    twin = ROOT.authority("Issuer A", identifiers=False)
    assert read(LEAF, earlier=[twin]).chain.intermediates == ()


def test_a_leaf_alone_is_delivered_as_a_chain_that_leads_nowhere():
    delivered = read(LEAF)
    assert (delivered.chain.intermediates, delivered.known, delivered.mended) == ((), False, "")


@pytest.mark.parametrize(
    "parties", [(ISSUER.leaf("a.chain.dev"), ISSUER), (ISSUER, UPPER)], ids=["other key", "no leaf"]
)
def test_a_delivery_without_a_certificate_for_the_key_is_none(parties: tuple[toy_ca.Party, ...]):
    with pytest.raises(NotAsOrdered, match=r"key|authorities"):
        read(*parties)


@pytest.mark.parametrize("pem", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_no_delivery(pem: str):
    with pytest.raises(NotAsOrdered, match="certificate"):
        read_delivery(pem, KEY, Anchors())


@pytest.mark.parametrize(
    "change",
    [
        lambda pem: pem.replace("\n", "\r\n"),
        lambda pem: pem.replace("-----BEGIN", "subject=/CN=x\n-----BEGIN"),
        lambda pem: pem.replace(
            "-----END CERTIFICATE-----\n-----BEGIN", "-----END CERTIFICATE-----\n\n\n-----BEGIN"
        ).strip(),
    ],
    ids=["CRLF", "text between", "blank lines"],
)
def test_the_lines_around_certificates_do_no_harm(change: Callable[[str], str]):
    pem = toy_ca.pem(LEAF.certificate, *PATH).decode()
    assert read_delivery(change(pem), KEY, Anchors()).chain.intermediates == PATH


# From a CA

Shape = Callable[[x509.Certificate, x509.Certificate, x509.Certificate], Sequence[x509.Certificate]]
SHAPES: dict[str, Shape] = {
    "order": lambda leaf, issuer, _root: (issuer, leaf),
    "root between": lambda leaf, issuer, root: (leaf, root, issuer),
    "root": lambda leaf, issuer, root: (leaf, issuer, root),
    "duplicates": lambda leaf, issuer, _root: (leaf, leaf, issuer, issuer),
}


def delivering(at: Opened, stub: StubCa, shape: Shape) -> Orderer:
    stub.issuer = stub.root.authority("Stub Issuer", now=utc_now())
    stub.deliver = lambda leaf: shape(leaf, stub.issuer.certificate, stub.root.certificate)
    return at(stub)


def ordered_once(orderer: Orderer, stub: StubCa, *names: str) -> Chain:
    chain = orderer.order(*names)
    assert len(stub.requests("newOrder")) == len(stub.requests("finalize")) == 1
    return chain


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_chain_in_another_shape_is_taken_from_its_only_order(at: Opened, stub: StubCa, shape: Shape):
    chain = ordered_once(delivering(at, stub, shape), stub, "a.chain.dev")
    assert chain.presented == (chain.leaf, stub.issuer.certificate)


def test_names_that_the_ca_adds_are_accepted(at: Opened, stub: StubCa):
    stub.leaf_options = {"names": ("a.chain.dev", "www.a.chain.dev")}
    assert ordered_once(at(stub), stub, "a.chain.dev").names == ("a.chain.dev", "www.a.chain.dev")


def test_a_leaf_alone_gets_the_intermediates_of_the_chain_before(at: Opened, stub: StubCa):
    orderer = delivering(at, stub, SHAPES["root"])
    before = orderer.order("a.chain.dev")
    stub.deliver = lambda leaf: (leaf,)
    after = orderer.order("a.chain.dev", replaced=before)
    assert after.intermediates == before.intermediates
    assert "without Stub Issuer, which is added" in orderer.said


def test_a_leaf_alone_is_completed_by_the_alternate_that_is_complete(at: Opened, stub: StubCa):
    orderer = delivering(at, stub, lambda leaf, _issuer, _root: (leaf,))
    orderer.context.anchors = Anchors([stub.root.certificate])
    stub.deliver_alternate = lambda leaf: (leaf, stub.issuer.certificate)
    chain = ordered_once(orderer, stub, "a.chain.dev")
    assert chain.intermediates == (stub.issuer.certificate,)
    assert chain.anchor == stub.root.certificate


def test_the_subject_of_a_certificate_is_not_left_empty_by_a_ca_that_copies_it(at: Opened, stub: StubCa):
    chain = at(stub).order("www.chain.dev", "chain.dev")
    assert chain.leaf.subject.rfc4514_string() == "CN=chain.dev"


def test_real_cas_take_a_common_name_in_the_signing_request(at: Opened, pebble, old_pebble, acme2certifier):
    for ca, settings in ((pebble, {}), (old_pebble, {}), (acme2certifier, {"names": "any"})):
        chain = at(ca, **settings).order("www.chain.dev", "chain.dev")
        assert set(chain.names) == {"www.chain.dev", "chain.dev"}
