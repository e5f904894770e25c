"""The parts of an order that need no CA: what is believed of a chain, which one is taken, and what is saved."""

from __future__ import annotations

import json

import pytest
from cryptography import x509

from agent.model.need import Request
from agent.pki.chain import Chain
from agent.pki.key import KeyType
from agent.sources.acme.chain_preference import preferred
from agent.sources.acme.delivery_checks import NotAsOrdered, verified
from agent.sources.acme.saved_order import SavedOrder
from support.cas import certificates as toy_ca
from support.cas.certificates import DAY, NOW

REQUEST = Request(frozenset({"a.chain.dev", "b.chain.dev"}), KeyType.ECDSA_P256)
CLIENTS = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH])
KEY = toy_ca.p256_key()
ROOT = toy_ca.root("Root A")
ISSUER = ROOT.authority("Issuer A1")


def leaf(*names: str, **options: object) -> toy_ca.Party:
    return ISSUER.leaf(*(names or sorted(REQUEST.names)), **{"key": KEY, **options})


def deliver(*parties: toy_ca.Party, now=NOW) -> Chain:
    return verified(toy_ca.pem(*(each.certificate for each in parties)).decode(), KEY, REQUEST, now)


# What is believed


def test_a_chain_that_is_what_was_ordered_is_taken():
    chain = deliver(leaf(), ISSUER)
    assert set(chain.names) == REQUEST.names
    assert chain.anchor is None


def test_a_root_at_the_end_is_known_but_not_served():
    chain = deliver(leaf(), ISSUER, ROOT)
    assert chain.anchor == ROOT.certificate
    assert ROOT.certificate not in chain.presented


@pytest.mark.parametrize(
    ("parties", "why"),
    [
        ((leaf(key=toy_ca.p256_key()), ISSUER), "The private key does not belong to the certificate"),
        ((leaf("a.chain.dev"), ISSUER), "it does not name b.chain.dev"),
        ((leaf("a.chain.dev", "b.chain.dev", "c.chain.dev"), ISSUER), "it names c.chain.dev too"),
        ((leaf(), ROOT.authority("Issuer A2")), 'was issued by "Issuer A1"'),
        ((leaf(), ROOT, ISSUER), 'was issued by "Issuer A1"'),
        ((leaf(extensions=(CLIENTS,)), ISSUER), "it is not for servers (extended key usage)"),
        ((leaf(now=NOW + 30 * DAY), ISSUER), "and here it is 2026-11-01T12:00:00Z"),
        ((leaf(days=-1, now=NOW - DAY), ISSUER), "and here it is 2026-11-01T12:00:00Z"),
    ],
)
def test_a_chain_that_is_something_else_is_not_believed(parties: tuple[toy_ca.Party, ...], why: str):
    with pytest.raises(NotAsOrdered) as refused:
        deliver(*parties)
    assert why in refused.value.reason
    assert not refused.value.reason.endswith(".")


@pytest.mark.parametrize("pem", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_chain_is_not_believed(pem: str):
    with pytest.raises(NotAsOrdered, match="certificate"):
        verified(pem, KEY, REQUEST, NOW)


# Which one is taken


OTHER_ROOT = toy_ca.root("Root B")
CROSS = toy_ca.issue("Root A", issuer=OTHER_ROOT, ca=True, key=ROOT.key)
LONG = deliver(leaf(), ISSUER, CROSS)
SHORT = deliver(leaf(), ISSUER)


class Downloads:
    """Where alternates are downloaded, and how many were."""

    def __init__(self, **chains: Chain) -> None:
        self.chains = chains
        self.asked: list[str] = []

    def __call__(self, url: str) -> Chain:
        self.asked.append(url)
        if url not in self.chains:
            raise NotAsOrdered("it is damaged")
        return self.chains[url]


@pytest.mark.parametrize("wish", ["default", "Root B"])
def test_no_alternate_is_downloaded_where_the_default_will_do(wish: str):
    downloads = Downloads()
    assert preferred(wish, LONG, ["short"], downloads) == (LONG, "")
    assert downloads.asked == []


def test_the_shortest_chain_is_taken_where_it_is_wanted():
    chain, said = preferred("shortest", LONG, ["broken", "short"], Downloads(short=SHORT))
    assert (chain.intermediates, said) == (SHORT.intermediates, "")


def test_the_ca_s_own_choice_stays_among_equally_short_ones():
    assert preferred("shortest", SHORT, ["long"], Downloads(long=LONG))[0].intermediates == SHORT.intermediates


def test_the_chain_below_the_wanted_issuer_is_taken_and_no_more_are_downloaded():
    downloads = Downloads(short=SHORT, long=LONG)
    chain, said = preferred("Root A", LONG, ["broken", "short", "long"], downloads)
    assert (chain.intermediates, said) == (SHORT.intermediates, "")
    assert downloads.asked == ["broken", "short"]


def test_the_ca_s_own_choice_is_taken_where_no_chain_leads_to_the_wanted_issuer():
    chain, said = preferred("Root C", LONG, ["short"], Downloads(short=SHORT))
    assert chain.intermediates == LONG.intermediates
    assert said == "no chain leads to Root C, so the CA's own choice is taken"


# What is saved


def test_an_order_is_read_back_as_it_was_saved():
    saved = SavedOrder.new(REQUEST, "https://ca/dir", "https://ca/account/1").placed("https://ca/order/1")
    state = json.loads(json.dumps(saved.to_json()))
    again = SavedOrder.read(state, "https://ca/dir", "https://ca/account/1")
    assert again == saved
    assert saved.signing_request.public_key() == saved.private_key.public_key()


def test_a_signing_request_names_what_is_ordered_and_has_an_empty_subject():
    request = Request(frozenset({"www.chain.dev", "8.8.8.8", "2001:4860:4860::8888"}), KeyType.RSA_2048)
    csr = SavedOrder.new(request, "d", "a").signing_request
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(name.value) for name in names} == request.names
    assert csr.is_signature_valid
    assert list(csr.subject) == []


@pytest.mark.parametrize(
    "elsewhere", [("https://other/dir", "https://ca/account/1"), ("https://ca/dir", "https://ca/account/2")]
)
def test_an_order_of_another_account_is_not_gone_on_with(elsewhere: tuple[str, str]):
    saved = SavedOrder.new(REQUEST, "https://ca/dir", "https://ca/account/1")
    assert SavedOrder.read(saved.to_json(), *elsewhere) is None


@pytest.mark.parametrize("state", [{}, {"version": 99, "key": "x"}])
def test_what_an_older_or_newer_version_has_saved_is_not_gone_on_with(state: dict[str, object]):
    assert SavedOrder.read(state, "d", "a") is None


def test_a_saved_order_shows_no_key():
    assert "PRIVATE" not in repr(SavedOrder.new(REQUEST, "d", "a"))
