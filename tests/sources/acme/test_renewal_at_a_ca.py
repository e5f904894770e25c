"""Renewals at real CAs: when they suggest it, in the place of what they have issued, and inside their limits."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta

import pytest

from agent.errors.acme import CaRefused
from agent.errors.limits import RateLimitAhead
from agent.errors.order import ChainUnexpected
from agent.errors.renewal import RenewalInfoUnknown
from agent.errors.validation import ValidationFailed
from agent.model.records import ChainRecord, Watch
from agent.pki.chain import Chain
from agent.planning.renewal import safety_floor
from agent.sources.acme.client import certificate_id
from agent.sources.acme.failures import CaProblem
from agent.sources.acme.renewal_info import renewal_due
from support.cas import certificates as toy_ca
from support.cas.pebble import renewal_window
from support.cas.stub_ca import StubCa
from support.cas.stub_server import Reply
from support.fakes.orderer import Opened, Orderer, replaceable

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
WHY = "https://ca.example/incidents/7"


def now() -> datetime:
    return datetime.now(UTC)


def record_of(chain: Chain) -> ChainRecord:
    return ChainRecord(
        id=chain.id,
        source="acme",
        names=chain.names,
        key_type=chain.key_type,
        purposes=chain.purposes,
        issuer=chain.issuer,
        serial=chain.serial,
        not_before=chain.not_before,
        not_after=chain.usable_until,
        fingerprints=chain.fingerprints,
    )


def ask(orderer: Orderer, chain: Chain, watch: Watch | None = None) -> Watch:
    found = orderer.source.inquire(chain, watch, orderer.context)
    assert found is not None
    return found


def suggest(orderer: Orderer, chain: Chain, begins: timedelta, ends: timedelta, why: str = "") -> None:
    """Let the CA suggest a window."""
    answer(orderer, chain, renewal_window(now() + begins, now() + ends, why))


def answer(orderer: Orderer, chain: Chain, text: str) -> None:
    orderer.ca.set_renewal_info(toy_ca.pem(chain.leaf).decode(), text)


# What the CA suggests


def test_a_new_chain_is_renewed_when_the_ca_suggests_it(at: Opened, pebble):
    orderer = at(pebble)
    chain = orderer.order("suggested.renewal.dev")
    watch = ask(orderer, chain)
    start, end = watch.window
    assert chain.not_before < start <= watch.renew_at < end < chain.not_after
    assert now() + 5 * HOUR < watch.next_at <= now() + 7 * HOUR
    due = renewal_due(record_of(chain), watch, now())
    assert (due.at, due.reason) == (watch.renew_at, "when the CA suggests it")
    assert ask(orderer, chain, watch).renew_at == watch.renew_at


def test_a_second_implementation_suggests_as_well(at: Opened, acme2certifier):
    orderer = at(acme2certifier, names="any")
    chain = orderer.order("suggested.renewal.dev")
    watch = ask(orderer, chain)
    start, end = watch.window
    assert max(start, chain.not_before) <= watch.renew_at < end
    assert watch.next_at <= now() + DAY + MINUTE


def test_a_ca_that_suggests_nothing_is_not_asked_again(at: Opened, old_pebble):
    orderer = at(old_pebble)
    chain = orderer.order("silent.renewal.dev")
    watch = ask(orderer, chain)
    assert watch == Watch(chain=chain.id)
    assert renewal_due(record_of(chain), watch, now()).reason == "in good time"


def test_a_window_that_is_open_chooses_an_instant_in_what_is_left_of_it(at: Opened, pebble):
    orderer = at(pebble)
    chain = orderer.order("open.renewal.dev")
    suggest(orderer, chain, -HOUR, HOUR, WHY)
    asked_at = now()
    watch = ask(orderer, chain)
    assert asked_at <= watch.renew_at < asked_at + HOUR
    assert watch.explanation == WHY


def test_a_window_that_is_over_makes_a_renewal_due_at_once(at: Opened, pebble):
    orderer = at(pebble)
    chain = orderer.order("over.renewal.dev")
    before = ask(orderer, chain)
    suggest(orderer, chain, -3 * HOUR, -2 * HOUR, WHY)
    watch = ask(orderer, chain, before)
    assert before.renew_at > now() >= watch.renew_at
    due = renewal_due(record_of(chain), watch, now())
    assert due.at <= now()
    assert due.reason == f"the CA suggests its renewal since {watch.renew_at:%Y-%m-%d}"


def test_a_chain_that_the_ca_has_revoked_is_due_at_once(at: Opened, pebble):
    orderer = at(pebble)
    chain = orderer.order("revoked.renewal.dev")
    orderer.source.revoke(chain, "superseded", orderer.context)
    assert renewal_due(record_of(chain), ask(orderer, chain), now()).at <= now()


def test_a_ca_can_not_postpone_a_renewal_for_ever(at: Opened, pebble):
    orderer = at(pebble)
    chain = orderer.order("late.renewal.dev")
    left = chain.not_after - now()
    suggest(orderer, chain, left - 2 * HOUR, left - HOUR)
    watch = ask(orderer, chain)
    record = record_of(chain)
    assert renewal_due(record, watch, now()).at == safety_floor(record.not_before, record.not_after) < watch.renew_at


@pytest.mark.parametrize(
    "text",
    [
        "{ this is no JSON",
        "[]",
        "{}",
        '{"suggestedWindow": {"start": "soon", "end": "later"}}',
        '{"suggestedWindow": {"start": "2026-12-02T00:00:00Z", "end": "2026-12-01T00:00:00Z"}}',
        '{"suggestedWindow": {"start": "1970-01-01T00:00:00Z", "end": "1970-01-02T00:00:00Z"}}',
        '{"suggestedWindow": {"start": "9998-01-01T00:00:00Z", "end": "9999-01-01T00:00:00Z"}}',
    ],
)
def test_an_answer_without_sense_is_a_note_and_asked_again_in_six_hours(at: Opened, pebble, text: str):
    orderer = at(pebble)
    chain = orderer.order("broken.renewal.dev")
    answer(orderer, chain, text)
    with pytest.raises(RenewalInfoUnknown) as raised:
        ask(orderer, chain)
    assert now() + 5.9 * HOUR < raised.value.retry_at < now() + 6.5 * HOUR
    assert renewal_due(record_of(chain), None, now()).reason == "in good time"


def test_a_chain_that_the_ca_does_not_know_is_asked_about_again_in_six_hours(at: Opened, pebble):
    orderer = at(pebble)
    root = toy_ca.root(now=now())
    stranger = root.leaf("stranger.renewal.dev", now=now())
    with pytest.raises(RenewalInfoUnknown) as raised:
        ask(orderer, Chain(key=stranger.key, leaf=stranger.certificate, intermediates=(), anchor=root.certificate))
    assert raised.value.retry_at > now() + 5.9 * HOUR


def test_a_ca_that_is_down_is_asked_again_soon(at: Opened, pebble_with):
    orderer = at(pebble_with())
    chain = orderer.order("down.renewal.dev")
    orderer.ca.stop()
    with pytest.raises(RenewalInfoUnknown) as raised:
        ask(orderer.restarted(), chain)
    assert now() < raised.value.retry_at < now() + 2 * MINUTE


# In the place of what was issued


def test_a_renewal_says_what_it_replaces_once(at: Opened, pebble):
    orderer = at(pebble)
    first = replaceable(orderer, "replaced.renewal.dev")
    pebble.mark()
    second = replaceable(orderer, "replaced.renewal.dev", replaced=first)
    pebble.wait_until_replaced()
    client = orderer.ca_context.client
    with pytest.raises(CaProblem, match="alreadyReplaced"):
        client.new_order(orderer.context, ["replaced.renewal.dev"], replaces=certificate_id(first.leaf))
    client.new_order(orderer.context, ["replaced.renewal.dev"], replaces=certificate_id(second.leaf))


def test_what_was_replaced_already_is_ordered_again_without_saying_so(at: Opened, pebble):
    orderer = at(pebble)
    first = replaceable(orderer, "twice.renewal.dev")
    backup = copy.deepcopy(orderer.context.memory.entries)
    pebble.mark()
    orderer.order("twice.renewal.dev", replaced=first)
    pebble.wait_until_replaced()
    orderer.context.memory.entries = backup
    pebble.mark()
    assert orderer.order("twice.renewal.dev", replaced=first).id != first.id
    assert len(pebble.requests("/order-plz")) == 2


def test_a_chain_of_another_ca_is_not_said_to_be_replaced(at: Opened, pebble, pebble_with):
    orderer = at(pebble_with())
    first = orderer.order("moved.renewal.dev")
    moved = orderer.restarted(pebble)
    pebble.mark()
    assert moved.order("moved.renewal.dev", replaced=first).id != first.id
    assert len(pebble.requests("/order-plz")) == 1


# Inside its limits


def test_a_reissue_beyond_the_limit_is_not_asked_for_and_says_when_it_will_be(at: Opened, pebble):
    orderer = at(pebble, limits={"certificates_per_set": 1})
    first = orderer.order("limited.renewal.dev")
    pebble.mark()
    with pytest.raises(RateLimitAhead, match="1 of 1 certificates for exactly these names in 7 days") as raised:
        orderer.order("limited.renewal.dev", replaced=first, forced=True)
    assert pebble.requests("/order-plz") == []
    assert now() + 6.9 * DAY < raised.value.retry_at < now() + 7 * DAY


def test_a_renewal_that_the_ca_wants_now_is_exempt_from_its_limits(at: Opened, pebble):
    orderer = at(pebble, limits={"certificates_per_set": 1})
    first = orderer.order("exempt.renewal.dev")
    suggest(orderer, first, -HOUR, HOUR)
    assert orderer.order("exempt.renewal.dev", replaced=first).id != first.id


def test_what_is_left_of_the_limits_outlives_a_restart(at: Opened, pebble):
    orderer = at(pebble, limits={"certificates_per_domain": 2})
    orderer.order("one.kept.dev")
    orderer.order("two.kept.dev")
    with pytest.raises(RateLimitAhead, match=r"2 of 2 certificates for names of kept\.dev"):
        orderer.restarted().order("three.kept.dev")


def test_a_name_that_fails_is_tried_four_times_an_hour_and_no_more(at: Opened, pebble_with):
    orderer = at(pebble_with())
    orderer.ca.dns.set_servfail("failing.renewal.dev")
    for attempts in range(4):
        with pytest.raises(ValidationFailed):
            orderer.order("failing.renewal.dev", attempts=attempts)
    orderer.ca.mark()
    with pytest.raises(RateLimitAhead) as raised:
        orderer.order("failing.renewal.dev", "fine.renewal.dev", attempts=4, forced=True)
    assert raised.value.failed == {"failing.renewal.dev"}
    assert now() + 50 * MINUTE < raised.value.retry_at < now() + HOUR
    assert orderer.ca.requests("/order-plz") == []
    orderer.order("fine.renewal.dev")


def test_a_chain_that_is_thrown_away_has_been_issued_all_the_same(at: Opened, stub: StubCa):
    orderer = at(stub, limits={"certificates_per_set": 1})
    foreign = toy_ca.root(now=now()).leaf("thrown.renewal.dev", now=now())
    stub.script("certificate", Reply(body=toy_ca.pem(foreign.certificate)))
    with pytest.raises(ChainUnexpected):
        orderer.order("thrown.renewal.dev")
    with pytest.raises(RateLimitAhead, match="1 of 1 certificates for exactly these names"):
        orderer.order("thrown.renewal.dev")


def test_a_chain_that_could_not_be_downloaded_is_counted_once(at: Opened, stub: StubCa):
    orderer = at(stub, limits={"certificates_per_set": 2})
    stub.script("certificate", Reply(404, "malformed"))
    context = orderer.order_context()
    with pytest.raises(CaRefused):
        orderer.obtain(context, ["late.renewal.dev"])
    again = orderer.restarted()
    again.order("late.renewal.dev", saved=context.saved)
    again.order("late.renewal.dev")
    with pytest.raises(RateLimitAhead, match="2 of 2 certificates for exactly these names"):
        again.order("late.renewal.dev")
