"""Renewal, revocation, and a CA that is down: the whole agent, a real nginx and a real CA."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from agent.health.problems import problem_of
from agent.sources.acme.client import certificate_id
from agent.sources.acme.failures import CaProblem
from support.appliances.certified import Certified
from support.appliances.deployed import served
from support.appliances.proxied import SITES
from support.cas.acme2certifier import CertifierOptions
from support.cas.pebble import Pebble, renewal_window
from support.clients.acme import asking
from support.fakes.source_context import FakeSourceContext

SITE = SITES[0]
MOVING = {"preflight": False}
"""Settings of an appliance whose clock a test moves away from the CA's."""


@pytest.fixture
def ca(pebble_with) -> Pebble:
    return pebble_with()


@pytest.fixture
def appliance(ca) -> Iterator[Certified]:
    """One site, served with the CA's chain."""
    with Certified.make(ca=ca, acme=MOVING) as made:
        made.configure()
        made.apply()
        made.assert_certified(SITE)
        made.reloads()
        ca.mark()
        yield made


def pem(appliance: Certified) -> str:
    with appliance.store() as store:
        found = store.chains.certificates(appliance.chains()[SITE])
    assert found
    return found


# A CA that is down


def test_while_the_ca_is_down_the_good_chain_stays_and_the_error_says_what_happened_and_when_it_is_tried_again(
    appliance, ca
):
    before = appliance.certified()
    ca.stop()
    done = appliance.terminal.run("reissue", SITE)
    assert "Next try in" in done.stdout + done.stderr
    (order,) = appliance.orders_failed()
    assert order.retry_at > appliance.clock()
    assert "127.0.0.1" in problem_of(order).cause
    shown = appliance.terminal.run("status").stdout
    assert f"{SITE}: " in shown
    assert "Next try in" in shown
    assert served(appliance.port, SITE) == appliance.chains()[SITE] == before


def test_the_next_run_after_that_time_gets_the_chain_without_a_daemon(appliance, ca):
    before = appliance.chains()[SITE]
    ca.stop()
    appliance.terminal.run("reissue", SITE)
    ca.start()
    ca.mark()
    appliance.apply()
    assert ca.requests() == [], "it isn't time yet"
    (order,) = appliance.orders_failed()
    appliance.clock.offset = order.retry_at - datetime.now(order.retry_at.tzinfo) + timedelta(seconds=1)
    appliance.apply()
    assert appliance.chains()[SITE] != before
    appliance.assert_certified(SITE)
    assert appliance.reloads() == 1


def test_a_chain_that_ends_while_the_ca_is_down_gives_way_to_a_local_one_until_it_is_back(appliance, ca):
    ca.stop()
    appliance.clock.advance(days=91)
    appliance.apply()
    assert appliance.sources() == {SITE: "local"}
    appliance.assert_served(SITE)
    assert appliance.reloads() == 1


def test_a_new_site_is_served_with_a_local_chain_as_long_as_the_ca_is_down(ca):
    ca.stop()
    with Certified.make(ca=ca, acme=MOVING) as appliance:
        appliance.configure()
        appliance.apply()
        assert appliance.sources() == {SITE: "local"}
        appliance.assert_served(SITE)
        appliance.reloads()
        ca.start()
        (order,) = appliance.orders_failed()
        appliance.clock.offset = order.retry_at - datetime.now(order.retry_at.tzinfo) + timedelta(seconds=1)
        appliance.apply()
        appliance.assert_certified(SITE)
        assert appliance.reloads() == 1


# Renewal information


def test_a_window_that_begins_now_renews_the_chain_and_says_which_one_it_replaces(appliance, ca):
    before, old = appliance.chain(), pem(appliance)
    now = appliance.clock()
    ca.set_renewal_info(old, renewal_window(now, now + timedelta(minutes=1), "https://ca.example/incident"))
    appliance.clock.advance(hours=7)
    appliance.apply()
    appliance.assert_certified(SITE)
    assert appliance.chain().id != before.id
    assert replaced(ca, appliance, before.leaf)


def replaced(ca: Pebble, appliance: Certified, leaf) -> bool:
    """Whether the CA has an order that replaces a certificate: it accepts only one."""
    context = FakeSourceContext(appliance.root, key=account_key(appliance))
    with asking(ca, context) as client:
        try:
            client.new_order(context, [SITE], replaces=certificate_id(leaf))
        except CaProblem as refusal:
            return refusal.problem.type == "alreadyReplaced"
    return False


def account_key(appliance: Certified):
    with appliance.store() as store:
        return store.account_keys.load()


def test_a_chain_that_somebody_has_revoked_at_the_ca_is_renewed(appliance, ca):
    before = appliance.chain()
    context = FakeSourceContext(appliance.root)
    with asking(ca, context) as client:
        client.revoke(context, before.leaf, 1, before.key)
    assert ca.status_of(before.leaf.serial_number) == "Revoked"
    appliance.clock.advance(hours=7)
    appliance.apply()
    appliance.assert_certified(SITE)
    assert appliance.chain().id != before.id
    assert ca.status_of(appliance.chain().leaf.serial_number) == "Valid"


@pytest.mark.parametrize("answer", ["{", "[]", '{"suggestedWindow": {"start": "soon", "end": "later"}}'])
def test_renewal_information_that_makes_no_sense_leaves_the_renewal_to_the_lifetime(appliance, ca, answer):
    before = appliance.chain().id
    ca.set_renewal_info(pem(appliance), answer)
    appliance.clock.advance(hours=7)
    appliance.apply()
    assert appliance.chain().id == before
    assert appliance.watch().problem
    appliance.clock.advance(days=61)
    appliance.apply()
    assert appliance.chain().id != before, [str(event) for event in appliance.events[-12:]]
    appliance.assert_certified(SITE)


def test_a_window_that_is_far_away_does_not_postpone_the_renewal_for_ever(appliance, ca):
    before, now = appliance.chain().id, appliance.clock()
    ca.set_renewal_info(pem(appliance), renewal_window(now + timedelta(days=89), now + timedelta(days=90)))
    appliance.clock.advance(hours=7)
    appliance.apply()
    appliance.clock.advance(days=65)
    appliance.apply()
    assert appliance.chain().id == before, "the CA has postponed it"
    appliance.clock.advance(days=20)
    appliance.apply()
    assert appliance.chain().id != before


def test_a_ca_of_another_make_is_asked_when_to_renew(acme2certifier):
    with Certified.make(ca=acme2certifier, acme=MOVING) as appliance:
        appliance.configure()
        appliance.apply()
        before = appliance.certified()
        appliance.clock.advance(days=2)
        appliance.apply()
        assert appliance.certified() == before
        acme2certifier.start_again(CertifierOptions(renew_now=True))
        appliance.clock.advance(days=2)
        appliance.apply()
        appliance.assert_certified(SITE)
        assert appliance.certified() != before


# Revoked by the administrator


def test_a_chain_that_is_revoked_by_hand_is_replaced_by_a_new_one_of_the_ca(appliance, ca):
    before = appliance.chain()
    done = appliance.terminal.run("revoke", before.id[:12], "--yes")
    assert done.returncode == 0, done.stderr
    appliance.apply()
    assert ca.status_of(before.leaf.serial_number) == "Revoked"
    assert appliance.chain().id != before.id
    appliance.assert_certified(SITE)
