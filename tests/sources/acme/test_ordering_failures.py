"""Orders that a CA refuses, fails, or fulfils wrongly: what is said, when it's tried again, and what is never believed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from agent.errors.acme import (
    AcmeError,
    CaBusy,
    CaFailed,
    CaRefused,
    CaUnreached,
    ProfileRefused,
    RateLimited,
    RevocationRefused,
)
from agent.errors.limits import RateLimitAhead, RateLimitInForce
from agent.errors.order import ChainUnexpected, ChallengeMissing
from agent.errors.validation import NamesRejected, ValidationFailed
from agent.sources.acme.steps import OrderStep
from support.cas import certificates as toy_ca
from support.cas.stub_ca import StubCa
from support.cas.stub_server import Reply
from support.clients.acme import Waits
from support.fakes.orderer import Opened, replaceable
from support.fakes.source_context import FakeOrderContext, utc_now

ERROR = "urn:ietf:params:acme:error:"
NAME = "shop.chain.dev"


def minutes_until(moment: datetime | None) -> float:
    assert moment
    return (moment - utc_now()).total_seconds() / 60


class Impatient(FakeOrderContext):
    """Waits a hundredth of the time."""

    def wait(self, seconds: float) -> None:
        self.source_context.wait(seconds / 100)


def wishes(stub: StubCa) -> list[dict[str, object]]:
    return [
        {key: each.payload[key] for key in each.payload if key != "identifiers"} for each in stub.requests("newOrder")
    ]


# Validations


def test_a_name_that_the_ca_can_t_find_is_named_and_so_are_those_that_are_fine(at: Opened, pebble_with):
    ca = pebble_with()
    ca.dns.set_servfail("lost.chain.dev")
    orderer = at(ca)
    context = orderer.order_context()
    with pytest.raises(
        ValidationFailed, match=r"could not validate lost.chain.dev by http-01 \(connection: "
    ) as failed:
        orderer.obtain(context, ["lost.chain.dev", "fine.chain.dev"])
    assert failed.value.failed == {"lost.chain.dev"}
    assert failed.value.passed == {"fine.chain.dev"}
    assert 0 < minutes_until(failed.value.retry_at) < 1.2
    assert context.saved == {}, "the next order has a new key"


def test_all_names_that_fail_are_named_though_the_first_one_ends_the_order(at: Opened, pebble_with):
    ca = pebble_with(sleep=2)
    lost = [f"lost{number}.chain.dev" for number in range(4)]
    for name in lost:
        ca.dns.set_servfail(name)
    with pytest.raises(ValidationFailed) as failed:
        at(ca).order("fine.chain.dev", *lost)
    assert failed.value.failed == set(lost)
    assert failed.value.passed == {"fine.chain.dev"}


def test_where_something_else_answers_it_is_said(at: Opened, stub: StubCa):
    stub.verdict = {"type": f"{ERROR}unauthorized", "detail": "Invalid response from http://shop: 404", "status": 403}
    with pytest.raises(ValidationFailed, match="unauthorized: Invalid response") as failed:
        at(stub).order(NAME, attempts=1)
    assert "/.well-known/acme-challenge/" in failed.value.problem.fix
    assert 9 < minutes_until(failed.value.retry_at) < 12


def test_a_name_fails_four_times_an_hour_and_not_more_often(at: Opened, stub: StubCa):
    stub.verdict = {"type": f"{ERROR}connection", "detail": "Timeout"}
    orderer = at(stub)
    for _ in range(4):
        with pytest.raises(ValidationFailed):
            orderer.order(NAME, "fine.chain.dev")
    asked = len(stub.requests())
    with pytest.raises(RateLimitAhead, match="4 of 4 failed validations of") as limited:
        orderer.restarted().order(NAME, forced=True)
    assert limited.value.failed == {NAME}
    assert len(stub.requests()) == asked, "the CA was not asked"
    assert 55 < minutes_until(limited.value.retry_at) < 61


def test_a_challenge_that_failed_but_stays_pending_fails_after_some_looks(at: Opened, stub: StubCa):
    failing = {"type": "http-01", "token": "a-token-of-24-characters", "status": "pending"}
    failing["error"] = {"type": f"{ERROR}connection", "detail": "connection refused"}
    orderer = at(stub)
    authorization = {"status": "pending", "identifier": {"type": "dns", "value": NAME}}

    def challenge() -> dict[str, object]:
        return {**failing, "url": f"{stub.url}/challenge/1.0"}

    first = Reply(body={**authorization, "challenges": [{**challenge(), "error": None}]})
    later = [Reply(body={**authorization, "challenges": [challenge()]}) for _ in range(8)]
    stub.script("authorization", first, *later)
    stub.script("challenge", Reply(body=challenge()))
    with pytest.raises(ValidationFailed, match="connection refused") as failed:
        orderer.order(NAME)
    assert failed.value.failed == {NAME}


def test_a_challenge_that_passes_at_the_second_look_of_the_ca_is_waited_for(at: Opened, stub: StubCa):
    failing = {
        "type": "http-01",
        "url": f"{stub.url}/challenge/1.0",
        "token": "a-token-of-24-characters",
        "status": "pending",
    }
    failing["error"] = {"type": f"{ERROR}connection", "detail": "connection refused"}
    stub.script("challenge", Reply(body=failing, carried_out=True))
    assert at(stub).order(NAME).covers([NAME])


def test_a_ca_that_offers_no_http_01_is_told_from_one_that_does(at: Opened, stub: StubCa):
    challenges = [
        {"type": "dns-01", "url": f"{stub.url}/challenge/1.0", "token": "a-token-of-24-characters", "status": "pending"}
    ]
    body = {"status": "pending", "identifier": {"type": "dns", "value": NAME}, "challenges": challenges}
    stub.script("authorization", Reply(body=body))
    with pytest.raises(
        ChallengeMissing, match=f"does not let {NAME} be proved by http-01; it offers dns-01"
    ) as missing:
        at(stub).order(NAME)
    assert missing.value.failed == {NAME}


# Refusals


def test_a_domain_that_the_ca_blocks_is_named(at: Opened, pebble_with):
    orderer = at(pebble_with(blocklist=["blocked.chain.dev"]))
    with pytest.raises(NamesRejected, match=r"blocked\.chain\.dev") as rejected:
        orderer.order("www.blocked.chain.dev")
    assert rejected.value.retry_at


def test_a_rate_limit_is_remembered_so_that_the_ca_is_not_asked_again(at: Opened, stub: StubCa):
    detail = 'too many certificates (50) already issued for "chain.dev" in the last 168h0m0s'
    stub.script("newOrder", Reply(429, "rateLimited", detail, headers={"Retry-After": "7200"}))
    orderer = at(stub)
    with pytest.raises(RateLimited) as limited:
        orderer.order(NAME)
    assert 119 < minutes_until(limited.value.retry_at) < 122
    orderer = orderer.restarted()
    asked = len(stub.requests())
    with pytest.raises(RateLimitInForce):
        orderer.order("www.chain.dev")
    assert len(stub.requests()) == asked
    assert orderer.order("www.other.dev").covers(["www.other.dev"]), "other domains go on"


def test_a_ca_that_asks_everyone_to_wait_is_no_failure_in_a_row(at: Opened, stub: StubCa):
    stub.script("newOrder", *[Reply(503, headers={"Retry-After": "600"}, body=b"<h1>Maintenance</h1>")] * 4)
    with pytest.raises(CaBusy) as busy:
        at(stub).order(NAME)
    assert not busy.value.counts


def test_a_ca_that_is_away_is_tried_again(at: Opened, stub: StubCa):
    orderer = at(stub)
    stub.server.stop()
    try:
        with pytest.raises(CaUnreached) as away:
            orderer.obtain(Impatient(orderer.context, attempts=2), [NAME])
    finally:
        stub.server.start()
    assert 99 < minutes_until(away.value.retry_at) < 112


# What is asked for once more without


def test_a_profile_that_the_ca_refuses_is_left_out_where_it_was_only_preferred(at: Opened, stub: StubCa):
    stub.meta["profiles"] = {"tlsserver": "45 days"}
    stub.script("newOrder", Reply(400, "invalidProfile"))
    at(stub, profile="tlsserver").order(NAME)
    assert wishes(stub) == [{"profile": "tlsserver"}, {}]


def test_a_required_profile_that_the_ca_refuses_is_an_error(at: Opened, stub: StubCa):
    stub.meta["profiles"] = {"tlsserver": "45 days"}
    stub.script("newOrder", Reply(400, "invalidProfile"))
    with pytest.raises(ProfileRefused):
        at(stub, profile="tlsserver", profile_required=True).order(NAME)
    assert wishes(stub) == [{"profile": "tlsserver"}]


@pytest.mark.parametrize(("status", "problem"), [(409, "alreadyReplaced"), (400, "malformed"), (403, "unauthorized")])
def test_an_order_that_must_not_replace_a_chain_is_placed_without(at: Opened, stub: StubCa, status: int, problem: str):
    orderer = at(stub)
    chain = orderer.order(NAME)
    stub.script("newOrder", Reply(status, problem))
    orderer.order(NAME, replaced=chain)
    first, refused, again = wishes(stub)
    assert (first, again) == ({}, {})
    assert list(refused) == ["replaces"]


def test_a_ca_that_fails_at_what_an_order_replaces_is_asked_without(at: Opened, stub: StubCa):
    orderer = at(stub)
    chain = orderer.order(NAME)
    stub.script("newOrder", *[Reply(500, "serverInternal")] * 4)
    orderer.obtain(Impatient(orderer.context, replaced=chain), [NAME])
    assert [list(each) for each in wishes(stub)] == [[], *[["replaces"]] * 4, []]


def test_a_refusal_that_has_nothing_to_do_with_wishes_stays_one(at: Opened, stub: StubCa):
    stub.script("newOrder", *[Reply(500, "serverInternal")] * 4)
    orderer = at(stub)
    with pytest.raises(CaFailed):
        orderer.obtain(Impatient(orderer.context), [NAME])


# Replacing


def test_a_renewal_says_what_it_replaces_and_goes_on_where_the_ca_has_another_successor(at: Opened, pebble_with):
    orderer = at(pebble_with())
    first = replaceable(orderer, NAME)
    remembered = dict(orderer.context.memory.entries)
    orderer.ca.mark()
    orderer.order(NAME, replaced=first)
    orderer.ca.wait_until_replaced()
    assert len(orderer.ca.requests("/order-plz")) == 1
    orderer.context.memory.entries = remembered  # as if the second one had never been stored
    assert orderer.order(NAME, replaced=first).covers([NAME])
    assert len(orderer.ca.requests("/order-plz")) == 3, (
        "it was refused once: the CA had believed what the second replaces"
    )


def test_a_chain_is_said_to_be_replaced_once(at: Opened, stub: StubCa):
    orderer = at(stub)
    first = orderer.order(NAME)
    orderer.order(NAME, replaced=first)
    orderer.order(NAME, replaced=first)
    assert [list(each) for each in wishes(stub)] == [[], ["replaces"], []]


def test_nothing_is_said_to_be_replaced_where_the_ca_has_no_renewal_information(at: Opened, stub: StubCa):
    stub.without.add("renewalInfo")
    orderer = at(stub)
    orderer.order(NAME, replaced=orderer.order(NAME))
    assert wishes(stub) == [{}, {}]


def test_a_chain_of_another_account_is_not_said_to_be_replaced(at: Opened, stub: StubCa):
    before, now = at(stub), at(stub)
    chain = before.order(NAME)
    issued = {key: each for key, each in before.context.memory.entries.items() if key.startswith("issued")}
    now.context.memory.entries |= issued
    now.order(NAME, replaced=chain)
    assert issued
    assert wishes(stub) == [{}, {}]


# What is delivered


def leaf_of(stub: StubCa, *names: str) -> bytes:
    other = stub.root.leaf(*names, now=utc_now())
    return toy_ca.pem(other.certificate)


def test_a_chain_for_another_key_is_downloaded_once_more_before_it_is_ordered_again(at: Opened, stub: StubCa):
    wrong = Reply(body=leaf_of(stub, NAME))
    stub.script("certificate", wrong, wrong)
    orderer = at(stub)
    context = orderer.order_context()
    for _ in range(2):
        with pytest.raises(ChainUnexpected) as unexpected:
            orderer.obtain(context, [NAME])
        assert 0 < minutes_until(unexpected.value.retry_at) < 1.2
    assert len(stub.requests("newOrder")) == 1
    assert context.saved == {}
    assert OrderStep.DOWNLOADED not in orderer.steps
    orderer.obtain(context, [NAME])
    assert len(stub.requests("newOrder")) == 2


NO_CHAIN = "127.0.0.1 has a failure of its own: its answer is not the chain in PEM form that it should be"
LOST: dict[str, tuple[str, Reply, str]] = {
    "nothing": ("certificate", Reply(), f"{NO_CHAIN}."),
    "a page": ("certificate", Reply(body=b"<h1>Log in</h1> here"), f'{NO_CHAIN}: "Log in here".'),
    "no certificate": ("certificate", Reply(404, "malformed", "No such certificate"), "No such certificate."),
    "no authorization": ("authorization", Reply(404, "malformed", "No such thing"), "No such thing."),
    "no order in JSON": ("order", Reply(body=b"{"), 'its answer is not the JSON object that it should be: "{".'),
    "an order's state": ("order", Reply(body={"status": "odd", "finalize": "https://x"}), "which ACME does not know."),
    "no address": (
        "order",
        Reply(body={"status": "valid", "finalize": "https://x"}),
        "127.0.0.1 has a failure of its own: it calls the order valid, but does not say where the certificate is.",
    ),
}


@pytest.mark.parametrize(("resource", "reply", "said"), LOST.values(), ids=LOST)
def test_an_order_of_which_a_part_is_lost_goes_on_when_it_is_found_and_else_is_placed_again_at_the_fourth_try(
    at: Opened, stub: StubCa, resource: str, reply: Reply, said: str
):
    orderer = at(stub)
    saved: dict[str, Any] = {}
    for attempts in range(3):
        stub.script(resource, reply)
        context = orderer.order_context(saved=saved, attempts=attempts)
        with pytest.raises(AcmeError) as failed:
            orderer.obtain(context, [NAME])
        assert failed.value.problem.cause.endswith(said)
        saved = context.saved
        assert len(stub.requests("newOrder")) == 1
    orderer.order(NAME, saved=saved, attempts=3)
    assert len(stub.requests("newOrder")) == 2


def test_a_download_that_was_damaged_costs_no_second_order(at: Opened, stub: StubCa):
    stub.script("certificate", Reply(body=b"no certificate"))
    orderer = at(stub)
    context = orderer.order_context()
    with pytest.raises(CaFailed):
        orderer.obtain(context, [NAME])
    assert orderer.restarted().order(NAME, saved=context.saved).covers([NAME])
    assert len(stub.requests("newOrder")) == 1


def test_a_chain_that_was_not_stored_is_delivered_once_more_and_then_ordered_again(at: Opened, stub: StubCa):
    orderer = at(stub)
    context = orderer.order_context()
    first, second = orderer.obtain(context, [NAME]), orderer.obtain(context, [NAME])
    assert first.id == second.id
    assert orderer.obtain(context, [NAME]).id != first.id
    assert len(stub.requests("newOrder")) == 2


def test_an_alternate_that_can_t_be_had_is_not_taken(at: Opened, stub: StubCa):
    stub.script("alternate", Reply(404, "malformed"))
    orderer = at(stub, preferred_chain="Nobody")
    assert orderer.order(NAME).covers([NAME])
    assert 'leads to "Nobody" (preferred_chain)' in orderer.said


def test_an_order_that_was_ready_and_is_not_is_looked_at_again(at: Opened, stub: StubCa):
    stub.script("finalize", Reply(403, "orderNotReady"))
    orderer = at(stub)
    assert orderer.order(NAME).covers([NAME])
    assert len(stub.requests("finalize")) == 2


TURNS = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]


def test_a_ca_that_never_takes_the_signing_request_is_asked_ever_less_often_and_then_left(at: Opened, stub: StubCa):
    stub.script("finalize", *[Reply(403, "orderNotReady", "it is not ready")] * 50)
    orderer = at(stub)
    orderer.context.pause = waits = Waits()
    context = orderer.order_context()
    with pytest.raises(CaRefused, match="it is not ready"):
        orderer.obtain(context, [NAME])
    assert len(stub.requests("finalize")) == 1 + len(TURNS)
    assert [each for each in waits.seconds if each >= 1] == TURNS
    with pytest.raises(CaRefused) as again:
        orderer.obtain(orderer.order_context(saved=context.saved, attempts=1), [NAME])
    assert again.value.retry_at
    assert len(stub.requests("newOrder")) == 1


def test_after_two_failures_the_next_order_is_a_new_one(at: Opened, stub: StubCa):
    stub.script("finalize", *[Reply(403, "orderNotReady", "it is not ready")] * 3 * (1 + len(TURNS)))
    orderer = at(stub)
    orderer.context.pause = Waits()
    context = orderer.order_context()
    for attempts in range(3):
        context = orderer.order_context(saved=context.saved, attempts=attempts)
        with pytest.raises(CaRefused):
            orderer.obtain(context, [NAME])
    assert len(stub.requests("newOrder")) == 1
    assert orderer.obtain(orderer.order_context(saved=context.saved, attempts=3), [NAME]).covers([NAME])
    assert len(stub.requests("newOrder")) == 2


def test_a_ca_that_sends_an_order_back_and_forth_is_asked_ever_less_often_and_then_left(at: Opened, stub: StubCa):
    body = {"finalize": f"{stub.url}/finalize/1", "authorizations": []}
    stub.script("finalize", *[Reply(body={**body, "status": "processing"})] * 50)
    stub.script("order", *[Reply(body={**body, "status": "ready"})] * 50)
    orderer = at(stub)
    orderer.context.pause = waits = Waits()
    with pytest.raises(CaFailed, match="does not get on with the order, and calls it ready again and again"):
        orderer.order(NAME)
    assert len(stub.requests("finalize")) == 1 + len(TURNS)
    assert [each for each in waits.seconds if each >= 1] == TURNS


def test_a_ca_that_rejects_every_nonce_is_asked_ever_less_often_and_then_left(at: Opened, stub: StubCa):
    stub.reject = lambda: True
    orderer = at(stub)
    orderer.context.pause = waits = Waits()
    with pytest.raises(CaFailed):
        orderer.order(NAME)
    assert len(stub.seen) < 100
    assert waits.seconds == sorted(waits.seconds)
    assert len(waits.seconds) == 3


def test_an_order_that_fails_at_its_end_says_why(at: Opened, stub: StubCa):
    failed = {"status": "invalid", "finalize": "x", "error": {"type": f"{ERROR}caa", "detail": "CAA forbids"}}
    stub.script("finalize", Reply(body=failed))
    with pytest.raises(ValidationFailed, match="CAA forbids"):
        at(stub).order(NAME)


# Revocation


@pytest.mark.parametrize("reason", ["unspecified", "keyCompromise", "superseded", "cessationOfOperation"])
def test_a_chain_is_revoked_and_once_more_is_no_error(at: Opened, pebble, reason: str):
    orderer = at(pebble)
    chain = orderer.order(f"{reason}.chain.dev".lower())
    for _ in range(2):
        orderer.source.revoke(chain, reason, orderer.context)
    assert pebble.status_of(int(chain.serial, 16)) == "Revoked"


def test_a_chain_of_another_account_is_revoked_with_its_own_key(at: Opened, pebble, tmp_path):
    chain = at(pebble).order("others.chain.dev")
    other = at(pebble)
    other.order("own.chain.dev")
    other.source.revoke(chain, "superseded", other.context)
    assert pebble.status_of(int(chain.serial, 16)) == "Revoked"


def test_a_reason_that_is_none_is_refused_before_the_ca_is_asked(at: Opened, stub: StubCa):
    orderer = at(stub)
    chain = orderer.order(NAME)
    with pytest.raises(RevocationRefused, match="certificateHold is none of unspecified, keyCompromise"):
        orderer.source.revoke(chain, "certificateHold", orderer.context)
    assert stub.requests("revokeCert") == []


# Inquiring


def test_the_ca_is_asked_when_to_renew(at: Opened, pebble):
    orderer = at(pebble)
    chain = orderer.order("watched.chain.dev")
    watch = orderer.source.inquire(chain, None, orderer.context)
    assert watch is not None
    assert watch.window
    assert watch.renew_at
    assert watch.window[0] <= watch.renew_at <= watch.window[1]
