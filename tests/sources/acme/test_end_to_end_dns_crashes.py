"""The agent is killed at each step of an order that is proved by records in the DNS: none stays, and nothing is ordered twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from agent.sources.acme.steps import OrderStep
from support.appliances.wild import Wild
from support.servers.zones import Zones

KILLED = 9
PUBLISHING = "publishing"
"""A step of the core: the records are kept, and the solver is about to make them."""
NUMBERS = count(1)


@pytest.fixture
def ca(pebble_with, zones: Zones):
    return pebble_with(dns_place=zones.place)


@pytest.fixture
def appliance(ca, zones: Zones) -> Iterator[Wild]:
    """A site that is not applied yet, in a zone of the test's own."""
    zone = zones.add(f"crash-{next(NUMBERS)}.test", secondary=False)
    acme = {"challenges": ["dns-01"], "resolvers": zones.place}
    with Wild.make(ca=ca, sites=(zone,), acme=acme, zones=zones) as made:
        made.configure()
        yield made


def test_a_domain_and_its_wildcard_are_certified_by_records_that_are_gone_afterwards(appliance: Wild):
    appliance.apply()
    (zone,) = appliance.sites
    appliance.assert_certified(zone)
    assert set(appliance.chain(zone).names) == {zone, f"*.{zone}"}
    assert (appliance.values, appliance.kept) == ([], 0)


STEPS = [*(step for step in OrderStep if step is not OrderStep.WAITING), PUBLISHING]


@pytest.mark.parametrize("step", STEPS)
def test_no_record_stays_and_nothing_is_ordered_twice(appliance: Wild, ca, step: str):
    assert appliance.die_at(f"order_step:{step}") == KILLED
    appliance.apply()
    assert len(ca.requests("/order-plz")) == 1
    appliance.assert_certified(*appliance.sites)
    appliance.apply()
    assert (appliance.values, appliance.kept) == ([], 0)


def test_records_of_an_order_that_nobody_goes_on_with_are_removed(appliance: Wild):
    assert appliance.die_at(f"order_step:{OrderStep.CHALLENGES}") == KILLED
    assert appliance.values
    appliance.acme = {"challenges": ["http-01"]}
    appliance.configure()
    for _ in range(2):
        appliance.apply()
    assert (appliance.values, appliance.kept) == ([], 0)
