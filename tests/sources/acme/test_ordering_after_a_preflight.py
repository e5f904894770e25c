"""Orders that are looked at before the CA is asked: what stops them, what lets them pass, and who overrules that."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from agent.errors import OrderCancelled
from agent.errors.preflight import PreflightStopped
from agent.sources.acme.steps import OrderStep
from support.cas.pebble import Pebble
from support.fakes.orderer import Opened, Orderer
from support.fakes.source_context import utc_now

NAME = "gw.preflight.dev"
OTHERS = ("issue", "ca.example.net")


class Clock:
    """One that goes on as the real one does, some time ahead."""

    ahead = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@pytest.fixture
def ca(pebble_with) -> Pebble:
    """A CA whose DNS is the test's own."""
    return pebble_with()


@pytest.fixture
def orderer(at: Opened, ca: Pebble) -> Orderer:
    return at(ca, preflight=True, resolvers=[ca.dns.address])


def stopped(orderer: Orderer, *names: str) -> PreflightStopped:
    with pytest.raises(PreflightStopped) as caught:
        orderer.order(*names)
    return caught.value


def test_an_order_passes_a_preflight_that_finds_nothing(orderer: Orderer):
    assert orderer.order(NAME).names == (NAME,)
    assert orderer.steps[:3] == [OrderStep.ACCOUNT, OrderStep.PREFLIGHT, OrderStep.ORDERED]


def test_caa_records_stop_it_without_an_order_and_let_it_pass_once_they_allow_the_ca(orderer: Orderer, ca: Pebble):
    ca.dns.add_caa("preflight.dev", OTHERS)
    error = stopped(orderer, NAME)
    assert 'Add the record preflight.dev. IN CAA 0 issue "pebble.test" beside them' in error.problem.fix
    assert error.retry_at is not None
    assert error.retry_at - utc_now() < timedelta(minutes=5)
    assert ca.requests("/order-plz") == []
    ca.dns.add_caa("preflight.dev", ("issue", "pebble.test"))
    assert orderer.order(NAME).names == (NAME,)


def test_caa_records_for_this_very_account_let_it_pass_and_for_another_stop_it(orderer: Orderer, ca: Pebble):
    ca.dns.add_caa("preflight.dev", ("issue", "pebble.test; accounturi=https://127.0.0.1/my-account/none"))
    cure = stopped(orderer, NAME).problem.fix
    account = orderer.ca_context.account(orderer.context)
    assert f'"pebble.test; accounturi={account.url}"' in cure
    ca.dns.add_caa("preflight.dev", ("issue", f"pebble.test; accounturi={account.url}; validationmethods=http-01"))
    assert orderer.order(NAME).names == (NAME,)


def test_the_names_that_can_not_pass_are_told_so_that_the_others_can_go_on_without_them(orderer: Orderer, ca: Pebble):
    ca.dns.set_default_a("")
    for name in (NAME, "www.preflight.dev"):
        ca.dns.add_a(name, "127.0.0.1")
    error = stopped(orderer, NAME, "www.preflight.dev", "gone.preflight.dev")
    assert error.failed == {"gone.preflight.dev"}
    assert orderer.order(NAME, "www.preflight.dev").covers([NAME, "www.preflight.dev"])


def test_a_warning_is_told_and_the_ca_is_asked(orderer: Orderer, ca: Pebble):
    ca.dns.set_servfail("preflight.dev")
    assert orderer.order(NAME).names == (NAME,)
    assert f"Whether CAA records allow the CA to issue for {NAME} can't be found out" in orderer.said


def test_a_person_who_insists_overrules_it(orderer: Orderer, ca: Pebble):
    ca.dns.add_caa("preflight.dev", OTHERS)
    assert orderer.order(NAME, forced=True).names == (NAME,)
    assert OrderStep.PREFLIGHT not in orderer.steps


def test_who_leaves_it_out_is_not_stopped(at: Opened, ca: Pebble):
    ca.dns.add_caa("preflight.dev", OTHERS)
    assert at(ca, preflight=False, resolvers=[ca.dns.address]).order(NAME).names == (NAME,)


def test_what_is_stopped_is_tried_again_ever_later_and_after_a_day_all_the_same(orderer: Orderer, ca: Pebble):
    clock = orderer.context.clock = Clock()
    orderer.context.ledger.now = clock
    ca.dns.add_caa("preflight.dev", OTHERS)
    began, waits = clock(), []
    while clock() - began < timedelta(hours=23, minutes=59):
        error = stopped(orderer, NAME)
        waits.append((error.retry_at or clock()) - clock())
        clock.ahead += waits[-1] + timedelta(seconds=1)
    assert waits[0] < timedelta(minutes=5) < timedelta(hours=1) < max(waits)
    assert clock() - began < timedelta(hours=26)
    assert orderer.order(NAME).names == (NAME,)
    assert "so the CA is asked all the same" in orderer.said


def test_a_clock_that_is_hours_off_stops_it_and_is_no_name_s_fault(orderer: Orderer):
    orderer.context.clock = lambda: utc_now() - timedelta(hours=5)
    error = stopped(orderer, NAME)
    assert "This machine's clock is 5 hours behind the CA's" in error.problem.cause
    assert error.failed == frozenset()


def test_an_agent_that_stops_meanwhile_is_not_held_up(at: Opened, ca: Pebble):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, ThreadPoolExecutor() as pool:
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(20)
        orderer = at(ca, preflight=True, resolvers=[f"127.0.0.1:{silent.getsockname()[1]}"])
        ordered = pool.submit(orderer.order, NAME)
        assert silent.recv(512)
        orderer.context.stop.set()
        with pytest.raises(OrderCancelled):
            ordered.result(timeout=20)
    assert orderer.steps[-1] == OrderStep.PREFLIGHT
