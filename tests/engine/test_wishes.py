"""A wish for other chains is kept until a chain is stored that serves it, and makes exactly one, whatever the clock says."""

from datetime import timedelta

import pytest

from agent.operations.aims import outcome_of
from agent.operations.reissue import reissue
from agent.report import read_snapshot, report
from support.appliances.deployed import Deployed, served
from support.ports import free_port

NAME = "t.example.com"
FAR = [{"days": 3650}, {"days": 20}, {"hours": 2}, {"days": -300}]


@pytest.fixture
def asked(appliance):
    appliance.drop_in("tunnel")
    appliance.drop_in("slow")
    appliance.port = free_port()
    write_settings(appliance, failures=0)
    appliance.apply()
    appliance.start("toyd", appliance.layout.module("tunnel").live / "toyd.conf")
    appliance.apply()
    return appliance


def write_settings(appliance: Deployed, *, failures: int, domain: str = NAME) -> None:
    appliance.settings(
        f'hostname = "gw"\nplugins.slow.enabled = true\nsources = ["uploaded", "slow", "local"]\n[probe]\ntimeout = 3\n'
        f'[modules.tunnel]\nport = {appliance.port}\ndomain = "{domain}"\n[source.slow]\nfailures = {failures}\n'
    )


def made(appliance: Deployed) -> list[str]:
    """Return the sources of all chains that there are, in the order in which they were stored."""
    with appliance.store() as store:
        return [row[0] for row in store.database.execute("select source from chains order by rowid")]


def wishes(appliance: Deployed):
    with appliance.store() as store:
        return store.orders.reissues()


def outcome(appliance: Deployed, aim):
    with appliance.store() as store:
        now = appliance.clock()
        return outcome_of(aim, store, report(read_snapshot(appliance.layout, now), now))


@pytest.mark.parametrize("away", FAR, ids=str)
def test_a_wish_under_a_wrong_clock_makes_exactly_one_chain(tunnel, away):
    before = made(tunnel)
    tunnel.clock.advance(**away)
    wish = tunnel.change(reissue)
    tunnel.clock.offset = timedelta()
    for _ in range(4):
        tunnel.apply()
        tunnel.clock.advance(minutes=20)
    assert made(tunnel) == [*before, "local"]
    assert wishes(tunnel) == {}
    assert outcome(tunnel, wish.aim).missed == ()
    assert served(tunnel.port, "") not in wish.aim.instead_of


@pytest.mark.parametrize("away", FAR, ids=str)
def test_a_wish_for_a_chain_of_a_ca_makes_exactly_one(asked, away):
    before = made(asked)
    asked.clock.advance(**away)
    wish = asked.change(reissue)
    asked.clock.offset = timedelta()
    for _ in range(4):
        asked.apply()
        asked.clock.advance(minutes=20)
    assert made(asked) == [*before, "slow"]
    assert wishes(asked) == {}
    assert outcome(asked, wish.aim).missed == ()


def test_a_wish_that_fails_is_kept_and_its_chain_kept_ready_below(asked):
    before = made(asked)
    write_settings(asked, failures=2)
    wish = asked.change(reissue)
    asked.apply()
    assert made(asked) == [*before, "local"]
    assert wishes(asked) != {}
    assert outcome(asked, wish.aim).missed == ("tunnel/default: The CA is busy.",)
    asked.clock.advance(seconds=31)
    asked.apply()
    assert made(asked) == [*before, "local"]
    asked.clock.advance(seconds=31)
    asked.apply()
    asked.apply()
    assert made(asked) == [*before, "local", "slow"]
    assert wishes(asked) == {}
    assert outcome(asked, wish.aim).missed == ()


def test_a_wish_survives_a_process_that_dies_of_it(asked):
    before = made(asked)
    asked.change(reissue)
    asked.dies_at("validated")
    assert wishes(asked) != {}
    for _ in range(3):
        asked.apply()
    assert made(asked) == [*before, "slow"]
    assert wishes(asked) == {}


def test_who_asks_once_more_gets_one_more(asked):
    before = made(asked)
    for _ in range(2):
        asked.change(reissue)
        asked.apply()
    assert made(asked) == [*before, "slow", "slow"]


def test_a_wish_for_a_request_that_nobody_needs_is_dropped(asked):
    asked.change(reissue)
    write_settings(asked, failures=0, domain="u.example.com")
    asked.apply()
    assert wishes(asked) == {}


def test_a_wish_stays_while_its_module_can_not_be_loaded(asked):
    write_settings(asked, failures=2)
    asked.change(reissue)
    (asked.layout.plugins / "tunnel.py").write_text("raise OSError\n")
    asked.apply()
    assert wishes(asked) != {}
