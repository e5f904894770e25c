"""Orders at real CAs that go well: chains of every kind, few requests, and what the settings ask for."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from agent.contract.fields import SecretText
from agent.errors.account import ExternalAccountMissing, ExternalAccountRefused
from agent.errors.order import ProfileMissing
from agent.model.need import Request
from agent.pki.anchors import Anchors
from agent.pki.certificate import short
from agent.pki.chain import load_certificates
from agent.pki.key import KeyType
from agent.pki.purpose import Purpose
from agent.sources.acme.order import FIRST_PAUSE, GROWTH, LONGEST_PAUSE
from agent.sources.acme.steps import OrderStep
from support.cas.challtestsrv import NEW, OLD
from support.cas.pebble import THREE_PROFILES
from support.cas.stub_ca import StubCa
from support.cas.stub_server import Reply
from support.fakes.orderer import Opened, Orderer
from support.fakes.source_context import FakeOrderContext

MAC_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
OTHER_KEY = "A" * 64
THE_WAY = [
    OrderStep.ACCOUNT,
    OrderStep.ORDERED,
    OrderStep.CHALLENGES,
    OrderStep.VALIDATED,
    OrderStep.FINALIZING,
    OrderStep.DOWNLOADED,
]
SEVEN = ["/order-plz", "/authZ/", "/chalZ/", "/my-order/", "/finalize-order/", "/my-order/", "/certZ/"]


def paths(requests: list[str]) -> list[str]:
    return [each.partition(" ")[2] for each in requests]


def without_more_looks(requests: list[str]) -> list[str]:
    """Leave out that an order is looked at several times, which depends on how busy the machine is."""
    return [path for path, _same in groupby(paths(requests))]


# Chains


def test_a_chain_is_ordered_and_each_step_is_told(at: Opened, pebble):
    orderer = at(pebble)
    chain = orderer.order("one.chain.dev")
    assert chain.names == ("one.chain.dev",)
    assert chain.purposes == (Purpose.SERVER,)
    assert short(chain.leaf.issuer).startswith("Pebble Intermediate")
    assert len(chain.intermediates) == 1
    assert orderer.steps == THE_WAY


def test_the_source_itself_obtains_a_chain(at: Opened, pebble):
    orderer = at(pebble)
    chain = orderer.source.obtain(
        Request(names=frozenset({"itself.chain.dev"}), key_type=KeyType.ECDSA_P256), orderer.order_context()
    )
    assert chain.covers(["itself.chain.dev"])


@pytest.mark.parametrize("key_type", [KeyType.ECDSA_P384, KeyType.RSA_2048, KeyType.RSA_3072])
def test_the_key_is_of_the_type_that_was_asked_for(at: Opened, pebble, key_type: KeyType):
    assert at(pebble).order(f"{key_type}.chain.dev", key_type=key_type).key_type is key_type


@pytest.mark.sampled(2)
@pytest.mark.parametrize("programs", [NEW, OLD], ids=["new", "old"])
@pytest.mark.parametrize("nonce_reject", [0, 30])
@pytest.mark.parametrize("authz_reuse", [0, 100])
def test_many_orders_at_once_succeed_whatever_the_ca_does_with_nonces_and_authorizations(
    at: Opened, pebble_with, programs: Path, nonce_reject: int, authz_reuse: int
):
    orderer = at(pebble_with(programs=programs, nonce_reject=nonce_reject, authz_reuse=authz_reuse))
    names = [f"n{number}.chain.dev" for number in range(12)] * 2
    with ThreadPoolExecutor(8) as pool:
        chains = list(pool.map(orderer.order, names))
    assert [chain.names[0] for chain in chains] == names
    assert len({chain.id for chain in chains}) == len(names)


def test_a_second_implementation_of_acme_serves_as_well(at: Opened, acme2certifier):
    orderer = at(acme2certifier, names="any")
    chain = orderer.order("www.chain.dev", "chain.dev")
    assert chain.covers(["www.chain.dev", "chain.dev"])
    again = orderer.order("www.chain.dev", "chain.dev", replaced=chain)
    assert again.id != chain.id


def test_an_address_is_certified(at: Opened, pebble):
    assert at(pebble, addresses=True, names="any").order("127.0.0.1").names == ("127.0.0.1",)


def test_two_key_types_for_the_same_names_come_one_after_the_other(at: Opened, pebble_with):
    orderer = at(pebble_with(authz_reuse=100))
    types = [KeyType.ECDSA_P256, KeyType.RSA_2048, KeyType.ECDSA_P384]
    with ThreadPoolExecutor(3) as pool:
        chains = list(pool.map(lambda kind: orderer.order("both.chain.dev", key_type=kind), types))
    assert [chain.key_type for chain in chains] == types
    assert len(orderer.ca.requests("/chalZ/")) == 1, "the others profit from the first one's validation"
    assert OrderStep.WAITING in orderer.steps


# Requests


def test_a_chain_costs_seven_requests(at: Opened, pebble_with):
    orderer = at(pebble_with())
    orderer.order("first.chain.dev")
    orderer.ca.mark()
    orderer.order("second.chain.dev")
    assert without_more_looks(orderer.ca.requests()) == SEVEN


def test_a_chain_for_names_that_the_ca_knows_costs_four_requests(at: Opened, pebble_with):
    orderer = at(pebble_with(authz_reuse=100))
    orderer.order("known.chain.dev")
    orderer.ca.mark()
    orderer.order("known.chain.dev")
    assert without_more_looks(orderer.ca.requests()) == ["/order-plz", "/finalize-order/", "/my-order/", "/certZ/"]
    assert orderer.steps[-3:] == [OrderStep.ORDERED, OrderStep.FINALIZING, OrderStep.DOWNLOADED]


def test_many_names_in_one_chain_cost_two_requests_each_and_a_few(at: Opened, pebble_with):
    orderer = at(pebble_with())
    orderer.order("first.chain.dev")
    orderer.ca.mark()
    orderer.order(*(f"n{number}.chain.dev" for number in range(40)))
    counted = Counter(paths(orderer.ca.requests()))
    assert (counted["/authZ/"], counted["/chalZ/"]) == (40, 40)
    assert sum(counted.values()) - counted["/nonce-plz"] <= 2 * 40 + 8


def test_many_chains_cost_few_requests_each_with_account_directory_and_nonces(at: Opened, pebble_with):
    orderer = at(pebble_with())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(orderer.order, [f"n{number}.chain.dev" for number in range(40)]))
    looks = len(orderer.ca.requests("/my-order/"))
    assert looks <= 6 * 40
    assert len(orderer.ca.requests()) - looks <= 6 * 40
    assert len(orderer.ca.requests("/sign-me-up")) <= 2


def test_a_ca_that_takes_its_time_is_not_asked_all_the_while(at: Opened, pebble_with):
    orderer = at(pebble_with(sleep=2))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(orderer.order, [f"n{number}.chain.dev" for number in range(16)]))
    assert len(orderer.ca.requests()) <= 16 * 15


class Watcher(FakeOrderContext):
    """Waits no longer than an eighth of a second, and notes how long it was to."""

    def wait(self, seconds: float) -> None:
        self.source_context.steps.append(("wait", str(seconds)))
        self.source_context.wait(min(seconds, 0.125))


def pauses_at(stub: StubCa, orderer: Orderer, *replies: Reply) -> list[float]:
    """Return how long was waited before each look at an order that is being processed for some looks."""
    stub.script("finalize", Reply(carried_out=True, body=replies[0].body))
    stub.script("order", Reply(body={**replies[0].body, "status": "ready"}), *replies)
    orderer.obtain(Watcher(orderer.context), ["slow.chain.dev"])
    finalizing = orderer.steps.index(OrderStep.FINALIZING)
    return [float(text) for step, text in orderer.context.steps[finalizing:] if step == "wait"]


def test_an_order_is_looked_at_soon_and_then_ever_later(at: Opened, stub: StubCa):
    body = {"status": "processing", "finalize": f"{stub.url}/finalize/1"}
    pauses = pauses_at(stub, at(stub), *[Reply(body=body)] * 14)
    assert pauses[0] == FIRST_PAUSE
    assert all(after == pytest.approx(min(before * GROWTH, LONGEST_PAUSE)) for before, after in pairwise(pauses))
    assert pauses[-1] == LONGEST_PAUSE


def test_what_the_ca_asks_to_wait_is_waited_after_a_first_look_or_two(at: Opened, stub: StubCa):
    body = {"status": "processing", "finalize": f"{stub.url}/finalize/1"}
    pauses = pauses_at(stub, at(stub), *[Reply(body=body, headers={"Retry-After": "3"})] * 8)
    assert pauses[0] == FIRST_PAUSE
    assert pauses[5:] == [3.0] * len(pauses[5:])
    assert len(pauses) >= 8


# Preferred chains


@pytest.fixture(scope="module")
def choosing_ca(tmp_path_factory: pytest.TempPathFactory):
    """Three roots; chains of three intermediates."""
    from support.cas.pebble import Options, Pebble

    ca = Pebble(tmp_path_factory.mktemp("choosing"), Options(alternate_roots=2, chain_length=3))
    yield ca
    ca.close()


def top_of(chain) -> str:
    return short(chain.presented[-1].issuer)


def roots_of(ca) -> list[str]:
    return [short(load_certificates(pem.encode())[0].subject) for pem in ca.roots()]


def trusting(ca, *numbers: int) -> Anchors:
    return Anchors([load_certificates(ca.roots()[number].encode())[0] for number in numbers])


def test_the_ca_s_own_choice_is_taken_without_a_look_at_others_where_its_root_is_known(at: Opened, choosing_ca):
    orderer = at(choosing_ca)
    orderer.context.anchors = trusting(choosing_ca, 0, 1)
    choosing_ca.mark()
    chain = orderer.order("default.chain.dev")
    assert top_of(chain) == roots_of(choosing_ca)[0]
    assert chain.anchor in orderer.context.anchors
    assert len(choosing_ca.requests("/certZ/")) == 1


def test_the_first_chain_to_a_root_that_is_known_here_is_taken(at: Opened, choosing_ca):
    orderer = at(choosing_ca)
    orderer.context.anchors = trusting(choosing_ca, 1)
    choosing_ca.mark()
    assert top_of(orderer.order("known.chain.dev")) == roots_of(choosing_ca)[1]
    assert len(choosing_ca.requests("/certZ/")) == 2
    assert len(choosing_ca.requests("/order-plz")) == 1


def test_the_ca_s_own_choice_is_taken_where_none_of_its_roots_is_known(at: Opened, choosing_ca):
    assert top_of(at(choosing_ca).order("unknown.chain.dev")) == roots_of(choosing_ca)[0]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_chain_below_a_root_is_taken_by_its_name(at: Opened, choosing_ca, number: int):
    wanted = roots_of(choosing_ca)[number]
    choosing_ca.mark()
    chain = at(choosing_ca, preferred_chain=wanted).order(f"root{number}.chain.dev")
    assert top_of(chain) == wanted
    assert len(choosing_ca.requests("/certZ/")) == number + 1, "no more are downloaded than have to be looked at"


def test_the_shortest_chain_is_looked_for_among_all(at: Opened, choosing_ca):
    choosing_ca.mark()
    chain = at(choosing_ca, preferred_chain="shortest").order("shortest.chain.dev")
    assert top_of(chain) == roots_of(choosing_ca)[0], "here they are all of a length"
    assert len(choosing_ca.requests("/certZ/")) == 3


def test_where_no_chain_leads_to_the_wanted_root_the_ca_s_choice_is_taken_and_it_is_said(at: Opened, choosing_ca):
    orderer = at(choosing_ca, preferred_chain="ISRG Root X9")
    context = orderer.order_context()
    chain = orderer.obtain(context, ["nowhere.chain.dev"])
    assert top_of(chain) == roots_of(choosing_ca)[0]
    assert context.remarks == [
        f'no chain of 127.0.0.1 leads to "ISRG Root X9" (preferred_chain), so the one to "{top_of(chain)}" is taken'
    ]


# Profiles


@pytest.fixture(scope="module")
def profiled_ca(tmp_path_factory: pytest.TempPathFactory):
    from support.cas.pebble import Options, Pebble

    ca = Pebble(tmp_path_factory.mktemp("profiled"), Options(profiles=THREE_PROFILES))
    yield ca
    ca.close()


@pytest.mark.parametrize(("profile", "days"), [("classic", 90), ("tlsserver", 45), ("shortlived", 160 / 24)])
@pytest.mark.parametrize("required", [False, True])
def test_the_profile_of_the_settings_is_asked_for(at: Opened, profiled_ca, profile: str, days: float, required: bool):
    chain = at(profiled_ca, profile=profile, profile_required=required).order(f"{profile}.chain.dev")
    assert abs(chain.not_after - chain.not_before - timedelta(days=days)) < timedelta(minutes=1)


@pytest.mark.parametrize(("settings", "hours"), [({}, 160), ({"profile": "tlsserver"}, 45 * 24)])
def test_an_address_is_asked_for_by_the_profile_of_short_lives_unless_another_one_is_set(
    at: Opened, profiled_ca, settings: dict[str, str], hours: int
):
    chain = at(profiled_ca, addresses=True, names="any", **settings).order("127.0.0.1", "short.chain.dev")
    assert abs(chain.not_after - chain.not_before - timedelta(hours=hours)) < timedelta(minutes=1)


def test_a_preferred_profile_that_the_ca_does_not_offer_is_left_out_and_it_is_said(at: Opened, pebble):
    orderer = at(pebble, profile="tlsserver")
    assert orderer.order("preferred.chain.dev").covers(["preferred.chain.dev"])
    assert "offers no profile tlsserver" in orderer.said


@pytest.mark.parametrize("ca", ["pebble", "old_pebble"])
def test_a_required_profile_that_the_ca_does_not_offer_is_an_error(at: Opened, request: pytest.FixtureRequest, ca: str):
    orderer = at(request.getfixturevalue(ca), profile="tlsserver", profile_required=True)
    with pytest.raises(ProfileMissing) as missing:
        orderer.order("required.chain.dev")
    assert missing.value.retry_at is None
    assert orderer.ca.requests("/order-plz") == []


# External accounts


@pytest.fixture(scope="module")
def members_only_ca(tmp_path_factory: pytest.TempPathFactory):
    from support.cas.pebble import Options, Pebble

    ca = Pebble(tmp_path_factory.mktemp("members"), Options(eab={"kid-1": MAC_KEY}))
    yield ca
    ca.close()


def test_an_account_is_bound_to_the_external_one(at: Opened, members_only_ca):
    member = {"kid": "kid-1", "hmac_key": SecretText(MAC_KEY)}
    assert at(members_only_ca, external_account=member).order("member.chain.dev").covers(["member.chain.dev"])


def test_without_an_external_account_only_a_change_of_settings_helps(at: Opened, members_only_ca):
    with pytest.raises(ExternalAccountMissing) as missing:
        at(members_only_ca).order("stranger.chain.dev")
    assert missing.value.retry_at is None


def test_a_wrong_external_account_is_named_and_its_key_is_not(at: Opened, members_only_ca):
    wrong = {"kid": "kid-1", "hmac_key": SecretText(OTHER_KEY)}
    with pytest.raises(ExternalAccountRefused, match="kid-1") as refused:
        at(members_only_ca, external_account=wrong).order("stranger.chain.dev")
    assert OTHER_KEY not in str(refused.value) + refused.value.problem.detail
