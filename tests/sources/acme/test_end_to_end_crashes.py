"""The agent is killed at each step of an order; the next run finishes the same order."""

from collections.abc import Iterator

import pytest

from agent.sources.acme.steps import OrderStep
from support.appliances.certified import Certified
from support.appliances.deployed import served
from support.appliances.proxied import SITES

SITE = SITES[0]
KILLED = 9


@pytest.fixture(params=["pebble", "acme2certifier"])
def ca(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def appliance(ca) -> Iterator[Certified]:
    """One site, not applied yet."""
    with Certified.make(ca=ca) as made:
        made.configure()
        yield made


def orders(ca) -> int:
    return len(ca.requests("/order-plz") or ca.requests("/acme/neworders"))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("step", [step for step in OrderStep if step is not OrderStep.WAITING])
def test_the_next_run_finishes_the_same_order(appliance, ca, step):
    assert appliance.die_at(f"order_step:{step}") == KILLED
    assert served(appliance.port, SITE), "the local chain is in service since before the order"
    assert orders(ca) == (step not in {OrderStep.ACCOUNT, OrderStep.PREFLIGHT})
    appliance.apply()
    assert orders(ca) == 1
    assert appliance.sources() == {SITE: "acme"}
    appliance.assert_certified(SITE)


def test_one_order_is_enough_however_often_the_agent_is_killed(appliance, ca):
    for step in OrderStep.ORDERED, OrderStep.VALIDATED, OrderStep.DOWNLOADED:
        assert appliance.die_at(f"order_step:{step}") == KILLED
    appliance.apply()
    assert orders(ca) == 1
    appliance.assert_certified(SITE)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("where", ["chain_stored", "binding_changed", "switching", "reloading", "probing"])
def test_a_chain_that_was_issued_is_deployed_by_the_next_run(appliance, ca, where):
    appliance.engine().run_pass(wait=0, orders=False)
    assert appliance.die_at(where) == KILLED
    appliance.apply()
    assert orders(ca) == 1
    appliance.assert_certified(SITE)
