"""The parts of an order that need no CA: which of the CA's chains is taken, and what is saved."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cryptography import x509

from agent.model.need import Request
from agent.pki.anchors import Anchors
from agent.pki.key import KeyType, generate_key
from agent.sources.acme.chain_preference import preferred
from agent.sources.acme.delivered_chain import Delivered, NotAsOrdered, read_delivery
from agent.sources.acme.saved_order import SavedOrder
from support.cas import certificates as toy_ca

REQUEST = Request(names=frozenset({"a.chain.dev", "b.chain.dev"}), key_type=KeyType.ECDSA_P256)
KEY = toy_ca.p256_key()
ROOT = toy_ca.root("Root A")
ISSUER = ROOT.authority("Issuer A1")


def leaf(*names: str, **options: object) -> toy_ca.Party:
    return ISSUER.leaf(*(names or sorted(REQUEST.names)), **{"key": KEY, **options})


# Which one is taken


OTHER_ROOT = toy_ca.root("Root B")
CROSS = toy_ca.issue("Root A", issuer=OTHER_ROOT, ca=True, key=ROOT.key)


def found(*parties: toy_ca.Party, known: bool = False) -> Delivered:
    pem = toy_ca.pem(*(each.certificate for each in parties)).decode()
    return replace(read_delivery(pem, KEY, Anchors()), known=known)


LONG, SHORT = found(leaf(), ISSUER, CROSS), found(leaf(), ISSUER)
KNOWN_LONG, KNOWN_SHORT = (replace(each, known=True) for each in (LONG, SHORT))


class Downloads:
    """Where alternates are downloaded, and how many were."""

    def __init__(self, **chains: Delivered) -> None:
        self.chains = chains
        self.asked: list[str] = []

    def __call__(self, url: str) -> Delivered:
        self.asked.append(url)
        if url not in self.chains:
            raise NotAsOrdered("it is damaged")
        return self.chains[url]


@pytest.mark.parametrize(("wish", "default"), [("default", KNOWN_LONG), ("Root B", LONG), ("Root B", KNOWN_LONG)])
def test_no_alternate_is_downloaded_where_the_default_will_do(wish: str, default: Delivered):
    downloads = Downloads()
    assert preferred(wish, default, ["short"], downloads) == (default, True)
    assert downloads.asked == []


def test_the_first_chain_whose_top_is_known_is_taken_where_the_default_s_is_not():
    downloads = Downloads(short=SHORT, known=KNOWN_SHORT, more=KNOWN_LONG)
    assert preferred("default", LONG, ["broken", "short", "known", "more"], downloads) == (KNOWN_SHORT, True)
    assert downloads.asked == ["broken", "short", "known"]


def test_the_ca_s_own_choice_is_taken_where_no_top_is_known():
    assert preferred("default", LONG, ["short"], Downloads(short=SHORT)) == (LONG, True)


def test_the_shortest_chain_is_taken_where_it_is_wanted():
    assert preferred("shortest", LONG, ["broken", "short"], Downloads(short=SHORT)) == (SHORT, True)


def test_the_shortest_chain_whose_top_is_known_is_taken_where_there_is_one():
    assert preferred("shortest", SHORT, ["long"], Downloads(long=KNOWN_LONG)) == (KNOWN_LONG, True)


def test_the_ca_s_own_choice_stays_among_equally_short_ones():
    assert preferred("shortest", SHORT, ["long"], Downloads(long=LONG)) == (SHORT, True)


def test_the_chain_below_the_wanted_issuer_is_taken_and_no_more_are_downloaded():
    downloads = Downloads(short=SHORT, long=LONG)
    assert preferred("Root A", KNOWN_LONG, ["broken", "short", "long"], downloads) == (SHORT, True)
    assert downloads.asked == ["broken", "short"]


def test_the_ca_s_own_choice_is_taken_where_no_chain_leads_to_the_wanted_issuer():
    assert preferred("Root C", LONG, ["short"], Downloads(short=SHORT)) == (LONG, False)


def test_a_known_chain_is_taken_where_no_chain_leads_to_the_wanted_issuer():
    downloads = Downloads(short=KNOWN_SHORT)
    assert preferred("Root C", LONG, ["short"], downloads) == (KNOWN_SHORT, False)
    assert downloads.asked == ["short"], "each is downloaded once"


# What is saved


def new_order() -> SavedOrder:
    return SavedOrder.new(REQUEST, generate_key(REQUEST.key_type), "https://ca/dir", "https://ca/account/1")


def test_an_order_is_read_back_as_it_was_saved():
    saved = new_order().placed("https://ca/order/1", toy_ca.NOW)
    state = json.loads(json.dumps(saved.to_json()))
    again = SavedOrder.read(state, "https://ca/dir", "https://ca/account/1")
    assert again == saved
    assert saved.signing_request.public_key() == saved.private_key.public_key()


def signing_request(*names: str) -> x509.CertificateSigningRequest:
    request = Request(names=frozenset(names), key_type=KeyType.RSA_2048)
    return SavedOrder.new(request, generate_key(request.key_type), "d", "a").signing_request


def test_a_signing_request_names_what_is_ordered():
    wanted = {"www.chain.dev", "8.8.8.8", "2001:4860:4860::8888"}
    csr = signing_request(*wanted)
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(name.value) for name in names} == wanted
    assert csr.is_signature_valid


LONG_NAME = f"{'a' * 60}.dev"


@pytest.mark.parametrize(
    ("names", "common_name"),
    [
        (["chain.dev", "www.chain.dev"], "chain.dev"),
        (["b.chain.dev", "a.chain.dev"], "a.chain.dev"),
        ([LONG_NAME], LONG_NAME),
        ([f"a{LONG_NAME}", "www.much-longer-than-an-address.dev", "8.8.8.8"], "www.much-longer-than-an-address.dev"),
    ],
    ids=["shortest", "first", "64 octets", "neither long nor an address"],
)
def test_a_signing_request_has_the_shortest_name_for_its_subject(names: list[str], common_name: str):
    assert signing_request(*names).subject.rfc4514_string() == f"CN={common_name}"


@pytest.mark.parametrize("name", [f"a{LONG_NAME}", "8.8.8.8", "2001:4860:4860::8888"])
def test_the_subject_of_a_signing_request_is_empty_where_no_name_can_be_in_it(name: str):
    assert list(signing_request(name).subject) == []


@pytest.mark.parametrize(
    "elsewhere", [("https://other/dir", "https://ca/account/1"), ("https://ca/dir", "https://ca/account/2")]
)
def test_an_order_of_another_account_is_not_gone_on_with(elsewhere: tuple[str, str]):
    saved = new_order()
    assert SavedOrder.read(saved.to_json(), *elsewhere) is None


@pytest.mark.parametrize("state", [{}, {"version": 99, "key": "x"}])
def test_what_an_older_or_newer_version_has_saved_is_not_gone_on_with(state: dict[str, object]):
    assert SavedOrder.read(state, "d", "a") is None


def test_a_saved_order_shows_no_key():
    assert "PRIVATE" not in repr(new_order())
