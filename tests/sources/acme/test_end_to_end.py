"""From settings to the wire: the whole agent, a real nginx that answers for the CA, and a real CA."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from agent.model.deployment import Outcome
from agent.model.events import EventKind
from agent.operations.uploads import delete_upload, store_upload
from agent.pki.authority import Root
from agent.pki.chain import KeyType, Purpose
from support.appliances.certified import Certified
from support.appliances.deployed import served
from support.appliances.proxied import SITES
from support.cas.pebble import Pebble

SITE = SITES[0]


@pytest.fixture
def ca(pebble: Pebble) -> Pebble:
    return pebble


@pytest.fixture
def appliance(ca) -> Iterator[Certified]:
    """One site, not applied yet."""
    with Certified.make(ca=ca) as made:
        made.configure()
        yield made


def test_a_new_site_is_served_before_the_ca_is_asked_and_then_with_the_ca_s_chain(appliance, ca):
    asked, seen = {}, {}

    def note(event):
        asked.setdefault(event.kind, len(ca.requests()))
        if event.kind is EventKind.DEPLOYED and not seen:
            seen["first"] = served(appliance.port, SITE)

    appliance.happens = note
    appliance.apply()
    assert asked[EventKind.DEPLOYED] == asked[EventKind.ORDER_STARTED] == 0
    assert seen["first"] not in ("", appliance.certified())
    assert appliance.sources() == {SITE: "acme"}
    appliance.assert_certified(SITE)
    assert appliance.deployment("reverse_proxy").outcome is Outcome.LIVE


def test_many_sites_get_the_ca_s_chains_by_one_reload(appliance):
    appliance.configure(sites=SITES)
    appliance.apply()
    assert appliance.sources() == dict.fromkeys(SITES, "acme")
    appliance.assert_certified(*SITES)
    assert appliance.reloads() == 1, "nginx was started with the local chains"


def test_a_pass_after_that_asks_nobody(appliance, ca):
    appliance.apply()
    appliance.apply()
    ca.mark()
    assert appliance.apply().performed == ()
    assert ca.requests() == []


def test_the_status_tells_the_story(appliance):
    appliance.apply()
    (row,) = (each for each in appliance.terminal.json("status")["chains"] if each["used_by"])
    assert (row["status"], row["source"], row["names"]) == ("valid", "acme", [SITE])
    steps = [event.detail["step"] for event in appliance.events if event.kind is EventKind.ORDER_STEP]
    assert steps == ["account", "preflight", "ordered", "challenges", "validated", "finalizing", "downloaded"]
    assert "acme" in appliance.terminal.run("explain", "reverse_proxy", SITE).stdout


def test_other_sites_get_their_chains_when_the_ca_refuses_one(pebble_with):
    with Certified.make(ca=pebble_with(blocklist=[SITES[1]]), sites=SITES) as appliance:
        appliance.configure()
        appliance.apply()
        assert appliance.sources() == {SITES[0]: "acme", SITES[1]: "local", SITES[2]: "acme"}
        appliance.assert_certified(SITES[0], SITES[2])
        assert appliance.certified(SITES[1]) == ""
        shown = appliance.terminal.run("status").stdout
        assert f"{SITES[1]}: 127.0.0.1 " in shown
        assert "Next try in" in shown


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin"])
def test_a_ca_that_asks_to_wait_by_numbers_and_dates_is_understood_in_every_time_zone(pebble_with, zone, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    ca = pebble_with(retry_after=1)
    try:
        with Certified.make(ca=ca, sites=SITES) as appliance:
            appliance.configure()
            appliance.apply()
            appliance.assert_certified(*SITES)
            assert len(ca.requests("/my-order/")) <= 4 * len(SITES), "it was not asked all the while"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("days", [-300, 20])
def test_a_wall_clock_that_jumps_in_the_middle_of_an_order_does_no_harm(appliance, days):
    def jump(event):
        if event.detail.get("step") == "challenges":
            appliance.clock.advance(days=days)

    appliance.happens = jump
    appliance.apply()
    appliance.clock.offset = timedelta()
    appliance.happens = lambda event: None
    appliance.apply()
    assert appliance.sources() == {SITE: "acme"}
    appliance.assert_certified(SITE)


def test_the_agent_itself_answers_the_ca_where_no_module_serves_http(ca):
    with Certified.make(ca=ca) as appliance:
        appliance.drop_in("tunnel")
        appliance.settings(
            'hostname = "gw"\n[probe]\ntimeout = 3\n'
            f'[modules.tunnel]\nport = {appliance.port}\ndomain = "tunnel.example.test"\n'
        )
        appliance.apply()
        assert appliance.sources() == {"default": "acme"}


# Other CAs


def test_an_older_pebble_with_rsa_chains_and_nothing_of_renewal_serves_as_well(old_pebble):
    with Certified.make(ca=old_pebble) as appliance:
        appliance.configure()
        appliance.apply()
        appliance.assert_certified(SITE)


def test_a_ca_of_another_make_serves_as_well(acme2certifier):
    with Certified.make(ca=acme2certifier, sites=SITES) as appliance:
        appliance.configure()
        appliance.apply()
        appliance.assert_certified(*SITES)


# By hand


def test_uploads_and_deletions_promote_and_demote_by_one_reload_each(appliance, ca):
    appliance.apply()
    appliance.apply()
    by_ca = appliance.certified()
    appliance.reloads()
    now = appliance.clock()
    shop = Root.create("Shop CA", "", now - timedelta(days=30), now - timedelta(days=30))
    bought = shop.issue([SITE], KeyType.ECDSA_P256, Purpose.SERVER, now, timedelta(days=365))
    appliance.change(store_upload, bought)
    appliance.apply()
    assert (appliance.sources(), served(appliance.port, SITE)) == ({SITE: "uploaded"}, bought.id)
    assert appliance.reloads() == 1
    appliance.change(delete_upload, bought.id, confirmed=True)
    appliance.apply()
    assert (appliance.sources(), appliance.certified()) == ({SITE: "acme"}, by_ca)
    assert appliance.reloads() == 1


@pytest.mark.parametrize(("age", "orders"), [(200, 0), (300, 1)], ids=["young", "in the last third of its life"])
def test_while_an_upload_serves_no_chain_is_ordered_but_in_the_last_third_of_its_life(appliance, ca, age, orders):
    now = appliance.clock()
    shop = Root.create("Shop CA", "", now - timedelta(days=400), now - timedelta(days=400))
    begun = now - timedelta(days=age)
    bought = shop.issue([SITE], KeyType.ECDSA_P256, Purpose.SERVER, begun, timedelta(days=365))
    appliance.change(store_upload, bought)
    ca.mark()
    appliance.apply()
    assert (appliance.sources(), served(appliance.port, SITE)) == ({SITE: "uploaded"}, bought.id)
    assert len(ca.requests("/order-plz")) == orders
