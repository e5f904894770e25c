"""Orders that were interrupted at any point: the next process goes on with the same one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agent.errors import OrderCancelled
from agent.errors.acme import CaUnreached
from agent.errors.order import OrderUnfinished
from agent.pki.key import load_key
from agent.sources.acme.steps import OrderStep
from support.cas.stub_ca import StubCa
from support.cas.stub_server import Reply
from support.clients.acme import Waits
from support.fakes.orderer import WAITS, DyingContext, Killed, Opened, Orderer
from support.fakes.source_context import utc_now

NAME = "kept.chain.dev"


def killed_at(orderer: Orderer, at: str | int, saved: Any = None) -> dict[str, Any]:
    """Let the process die, and return what was saved."""
    context = DyingContext(orderer.context, at, saved)
    with pytest.raises(Killed):
        orderer.obtain(context, [NAME])
    return context.saved


def public_key_of(saved: dict[str, Any]) -> Any:
    return load_key(saved["key"].encode()).public_key()


# Going on


@pytest.mark.parametrize(
    "step",
    [
        2,
        OrderStep.ORDERED,
        OrderStep.CHALLENGES,
        OrderStep.VALIDATED,
        OrderStep.FINALIZING,
        WAITS,
        OrderStep.DOWNLOADED,
    ],
    ids=str,
)
def test_the_same_order_is_finished_wherever_the_process_was_killed(at: Opened, pebble_with, step: str | int):
    orderer = at(pebble_with(always_valid=True))  # as where a web server answers that outlives the agent
    saved = killed_at(orderer, step)
    assert saved["url"]
    again = orderer.restarted()
    chain = again.order(NAME, saved=saved)
    assert chain.key.public_key() == public_key_of(saved)
    assert len(orderer.ca.requests("/order-plz")) == 1
    assert len(orderer.ca.requests("/chalZ/")) == 1
    assert "the order goes on that was begun before" in again.said


def test_key_and_signing_request_are_saved_before_the_ca_is_asked(at: Opened, pebble_with):
    orderer = at(pebble_with())
    saved = killed_at(orderer, 1)
    assert not saved["url"]
    assert orderer.ca.requests("/order-plz") == []
    chain = orderer.restarted().order(NAME, saved=saved)
    assert chain.key.public_key() == public_key_of(saved)
    assert len(orderer.ca.requests("/order-plz")) == 1


def test_a_process_may_be_killed_again_and_again(at: Opened, pebble_with):
    orderer, saved = at(pebble_with(always_valid=True)), {}
    for step in (1, 2, OrderStep.ORDERED, OrderStep.CHALLENGES, OrderStep.FINALIZING, WAITS, OrderStep.DOWNLOADED):
        orderer = orderer.restarted()
        saved = killed_at(orderer, step, saved)
    assert orderer.restarted().order(NAME, saved=saved).covers([NAME])
    assert len(orderer.ca.requests("/order-plz")) == 1


def test_where_the_ca_s_answer_was_lost_one_more_order_is_placed_with_the_same_key(at: Opened, stub: StubCa):
    lost = Reply(lost=True, carried_out=True)
    stub.script("newOrder", lost, lost)
    orderer = at(stub)
    context = orderer.order_context()
    with pytest.raises(CaUnreached):
        orderer.obtain(context, [NAME])
    assert not context.saved["url"]
    chain = orderer.restarted().order(NAME, saved=context.saved)
    assert chain.key.public_key() == public_key_of(context.saved)


def test_a_wall_clock_that_jumps_in_the_middle_of_an_order_does_no_harm(at: Opened, stub: StubCa):
    stub.busy_polls = 3
    ahead = [timedelta()]
    orderer = at(stub)
    orderer.context.clock = lambda: utc_now() + ahead[0]

    def jump(_state: object) -> None:
        ahead[0] = timedelta(hours=9) - ahead[0]

    for _ in range(2):
        orderer.obtain(orderer.order_context(on_save=jump), [NAME])


# Going on later


def test_an_order_that_the_ca_does_not_finish_is_left_as_it_is_and_gone_on_with_later(at: Opened, stub: StubCa):
    stub.busy_polls = 10**6
    orderer = at(stub)
    context = orderer.order_context(attempts=1)
    with pytest.raises(OrderUnfinished, match="has not finished the order within") as unfinished:
        orderer.obtain(context, [NAME], time_limit=0.6)
    assert unfinished.value.retry_at
    assert unfinished.value.retry_at > utc_now() + timedelta(minutes=9)
    stub.busy_polls = 0
    chain = orderer.restarted().order(NAME, saved=context.saved)
    assert chain.key.public_key() == public_key_of(context.saved)
    assert len(stub.requests("newOrder")) == 1


@pytest.mark.parametrize(
    ("expires", "longest"), [(None, 7), (timedelta(days=1), 30)], ids=["unsaid", "always tomorrow"]
)
def test_an_order_that_is_never_finished_is_left_one_day(
    at: Opened, stub: StubCa, expires: timedelta | None, longest: int
):
    stub.busy_polls, stub.expires = 10**6, expires
    orderer = at(stub)
    context, began = orderer.order_context(), utc_now()
    for day, orders in ((0, 1), (longest - 1, 1), (longest + 1, 2)):
        stub.clock = lambda day=day: began + timedelta(days=day)
        orderer = orderer.restarted(clock=stub.clock)
        orderer.context.pause = Waits()
        context = orderer.order_context(saved=context.saved)
        with pytest.raises(OrderUnfinished):
            orderer.obtain(context, [NAME], time_limit=0.3)
        assert len(stub.requests("newOrder")) == orders


def test_an_order_is_interrupted_at_once_when_the_agent_stops(at: Opened, stub: StubCa):
    stub.busy_polls = 10**6
    orderer = at(stub)
    context = StoppingContext(orderer.context, OrderStep.FINALIZING)
    with pytest.raises(OrderCancelled):
        orderer.obtain(context, [NAME])
    stub.busy_polls = 0
    orderer.restarted().order(NAME, saved=context.saved)
    assert len(stub.requests("newOrder")) == 1


class StoppingContext(DyingContext):
    """The agent is told to stop at a step."""

    def progress(self, step: str, text: str = "") -> None:
        self.source_context.progress(step, text)
        if step == self._at:
            self.source_context.stop.set()


def test_who_waits_for_another_order_of_the_same_names_stops_too(at: Opened, stub: StubCa):
    orderer = at(stub)
    ca = orderer.ca_context
    context = orderer.order_context()
    with ca.order_locks.taken(frozenset({NAME}), context):
        orderer.context.stop.set()
        with pytest.raises(OrderCancelled):
            orderer.obtain(context, [NAME])


# Starting over


def test_an_order_that_the_ca_does_not_know_any_more_starts_over_with_a_new_key(at: Opened, pebble_with):
    orderer = at(pebble_with())
    saved = killed_at(orderer, OrderStep.VALIDATED)
    orderer.ca.stop()
    orderer.ca.start()  # its state was in memory: neither account nor order are known
    again = orderer.restarted()
    assert again.order(NAME, saved=saved).key.public_key() != public_key_of(saved)
    assert "the CA no longer knew the account" in again.said


def test_an_order_that_is_gone_starts_over_with_a_new_key(at: Opened, stub: StubCa):
    orderer = at(stub)
    saved = killed_at(orderer, OrderStep.VALIDATED)
    stub.orders.clear()
    assert orderer.restarted().order(NAME, saved=saved).key.public_key() != public_key_of(saved)


def test_an_order_of_another_ca_is_not_gone_on_with(at: Opened, pebble_with):
    orderer = at(pebble_with())
    saved = killed_at(orderer, OrderStep.VALIDATED)
    again = orderer.restarted(ca=pebble_with())
    assert again.order(NAME, saved=saved).key.public_key() != public_key_of(saved)


def test_an_order_whose_time_is_over_starts_over(at: Opened, stub: StubCa):
    orderer = at(stub)
    saved = killed_at(orderer, OrderStep.CHALLENGES)
    later = orderer.restarted(clock=lambda: utc_now() + timedelta(days=2))
    assert later.order(NAME, saved=saved).key.public_key() != public_key_of(saved)
    assert len(stub.requests("newOrder")) == 2


def test_an_order_that_has_failed_meanwhile_starts_over_and_the_failure_is_counted(at: Opened, stub: StubCa):
    stub.verdict = {"type": "urn:ietf:params:acme:error:connection", "detail": "Timeout"}
    orderer = at(stub)
    saved = killed_at(orderer, OrderStep.CHALLENGES)
    stub.verdict = None
    again = orderer.restarted()
    assert again.order(NAME, saved=saved).key.public_key() != public_key_of(saved)
    assert [subject for kind, subject, _at in again.context.ledger.rows if kind.startswith("failures")] == [NAME]


def test_an_account_that_the_ca_forgets_in_the_middle_of_an_order_is_made_again(at: Opened, stub: StubCa):
    stub.script("finalize", Reply(400, "accountDoesNotExist", before=stub.accounts.clear))
    orderer = at(stub)
    assert orderer.order(NAME).covers([NAME])
    assert len(stub.requests("newAccount")) == 4, "twice it looks for one, and makes one"
