"""The parts of an order that need no CA: what is believed of a chain, which one is taken, when it is looked again."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from itertools import pairwise
from statistics import mean

import pytest
from cryptography import x509

from agent.model.need import Request
from agent.pki.chain import Chain
from agent.pki.key import KeyType
from agent.sources.acme.chain_preference import preferred
from agent.sources.acme.delivery_checks import NotAsOrdered, verified
from agent.sources.acme.rhythm import FIRST, GROWTH, LONGEST, SHORTEST, Rhythm
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


class Shop:
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
    shop = Shop()
    assert preferred(wish, LONG, ["short"], shop) == (LONG, "")
    assert shop.asked == []


def test_the_shortest_chain_is_taken_where_it_is_wanted():
    chain, said = preferred("shortest", LONG, ["broken", "short"], Shop(short=SHORT))
    assert (chain.intermediates, said) == (SHORT.intermediates, "")


def test_the_ca_s_own_choice_stays_among_equally_short_ones():
    assert preferred("shortest", SHORT, ["long"], Shop(long=LONG))[0].intermediates == SHORT.intermediates


def test_the_chain_below_the_wanted_issuer_is_taken_and_no_more_are_downloaded():
    shop = Shop(short=SHORT, long=LONG)
    chain, said = preferred("Root A", LONG, ["broken", "short", "long"], shop)
    assert (chain.intermediates, said) == (SHORT.intermediates, "")
    assert shop.asked == ["broken", "short"]


def test_the_ca_s_own_choice_is_taken_where_no_chain_leads_to_the_wanted_issuer():
    chain, said = preferred("Root C", LONG, ["short"], Shop(short=SHORT))
    assert chain.intermediates == LONG.intermediates
    assert said == "no chain leads to Root C, so the CA's own choice is taken"


# When it is looked again


def pauses_of(rhythm: Rhythm, number: int) -> list[float]:
    pauses = rhythm.pauses()
    return [pauses.next(None) for _ in range(number)]


def watch(rhythm: Rhythm, duration: float, latency: float = 0.01, asked: float | None = None) -> tuple[int, float]:
    """Let an order take that many seconds; return how often it was looked at, and how long it was done before that was seen."""
    pauses, looks = rhythm.pauses(), 1
    looked, done = 0.0, pauses.next(asked)
    while done < duration:
        looked, done = done, done + latency + pauses.next(asked)
        looks += 1
    rhythm.learn(done if pauses.obeyed else looked, done)
    return looks, done - duration


def watched(rhythm: Rhythm, durations: Sequence[float], asked: float | None = None) -> tuple[float, float]:
    """Return the mean of what `watch` returns, of the later half: the first one is for learning."""
    seen = [watch(rhythm, each, asked=asked) for each in durations][len(durations) // 2 :]
    return mean(looks for looks, _late in seen), mean(late for _looks, late in seen)


def test_before_anything_is_known_it_is_looked_soon_and_then_ever_later():
    pauses = pauses_of(Rhythm(), 12)
    assert pauses[0] == FIRST
    assert all(after == pytest.approx(min(before * GROWTH, LONGEST)) for before, after in pairwise(pauses))
    assert pauses[-1] == LONGEST


@pytest.mark.parametrize("duration", [0.001, 0.015])
def test_a_quick_ca_is_looked_at_once_and_seen_done_at_once(duration: float):
    looks, late = watched(Rhythm(), [duration] * 200)
    assert looks < 1.5
    assert late <= SHORTEST + 0.01


@pytest.mark.parametrize("duration", [0.3, 1.0, 3.0])
def test_a_ca_that_takes_its_time_is_not_asked_all_the_while(duration: float):
    looks, late = watched(Rhythm(), [duration] * 200)
    assert looks < 2.6
    assert late < 0.1 * duration


def test_a_ca_whose_time_varies_is_asked_from_where_it_may_be_done():
    chance = random.Random(1)
    looks, late = watched(Rhythm(), [max(chance.randrange(5) for _ in range(3)) + 0.02 for _ in range(400)])
    assert looks < 2.5
    assert late < 0.8


def test_a_ca_that_becomes_faster_or_slower_is_noticed():
    rhythm = Rhythm()
    watched(rhythm, [3.0] * 50)
    assert watched(rhythm, [0.1] * 200)[1] < 0.1
    looks, late = watched(rhythm, [3.0] * 200)
    assert looks < 3
    assert late < 0.5


def test_nothing_is_looked_at_more_than_five_seconds_apart():
    rhythm = Rhythm()
    watched(rhythm, [100.0] * 20)
    assert max(pauses_of(rhythm, 30)) == LONGEST


def test_what_the_ca_asks_to_wait_is_doubted_once_and_then_believed():
    pauses = Rhythm().pauses()
    assert pauses.next(3.0) == FIRST, "many a CA asks for more than it takes"
    assert pauses.next(3.0) == 3.0
    assert pauses.next(None) < 1, "it may stop to ask"
    rhythm = Rhythm()
    assert watch(rhythm, 2.0, asked=3.0)[0] == 2
    for _ in range(20):
        assert watch(rhythm, 2.0, asked=3.0)[0] == 1


def test_a_ca_that_is_mostly_done_much_earlier_is_not_waited_for():
    assert watched(Rhythm(), [0.01, 0.02, 0.01, 0.3, 0.01] * 20, asked=1.0)[1] < 0.5


def test_what_one_process_has_learned_the_next_one_knows():
    rhythm = Rhythm()
    watched(rhythm, [3.0, 3.2])
    assert pauses_of(Rhythm(json.loads(json.dumps(rhythm.learned))), 4) == pauses_of(rhythm, 4)
    assert pauses_of(Rhythm(Rhythm().learned), 4) == pauses_of(Rhythm(), 4)


# What is saved


def test_an_order_is_read_back_as_it_was_saved():
    saved = SavedOrder.new(REQUEST, "https://ca/dir", "https://ca/account/1").placed("https://ca/order/1")
    state = json.loads(json.dumps(saved.to_json()))
    again = SavedOrder.read(state, "https://ca/dir", "https://ca/account/1")
    assert again == saved
    assert x509.load_der_x509_csr(saved.csr_der).public_key() == saved.private_key.public_key()


def test_a_signing_request_names_what_is_ordered_and_has_an_empty_subject():
    request = Request(frozenset({"www.chain.dev", "8.8.8.8", "2001:4860:4860::8888"}), KeyType.RSA_2048)
    csr = x509.load_der_x509_csr(SavedOrder.new(request, "d", "a").csr_der)
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
