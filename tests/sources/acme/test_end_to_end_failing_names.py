"""One name of a site can't be validated: the others get the CA's chain, and it joins them when it passes."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from support.appliances.certified import Certified
from support.cas.pebble import Pebble
from support.toml import table

GOOD, BAD = "good.example.com", "bad.example.com"
ELSEWHERE = "127.0.0.9"


@pytest.fixture
def ca(pebble_with) -> Pebble:
    return pebble_with()


@pytest.fixture
def appliance(ca) -> Iterator[Certified]:
    """A site of two names, one of which leads to a machine where nobody answers; not applied yet."""
    ca.dns.add_a(BAD, ELSEWHERE)
    with Certified.make(ca=ca, acme={"preflight": False}) as made:
        site = {"domains": [GOOD, BAD], "upstream": made.upstream}
        made.configure(sites=(), more=table("[modules.reverse_proxy.sites]", site))
        yield made


def test_the_name_that_fails_is_split_off_and_taken_back_when_it_passes(appliance, ca):
    appliance.apply()
    assert appliance.certified(GOOD), "it has the CA's chain"
    assert not appliance.certified(BAD)
    assert all(BAD in str(order.problem) and GOOD not in str(order.problem) for order in appliance.orders_failed())
    shown = appliance.terminal.run("status").stdout
    assert BAD in shown
    assert "Next try in" in shown
    ca.dns.clear_a(BAD)
    tried_again_at = max(order.retry_at for order in appliance.orders_failed())
    appliance.clock.offset += tried_again_at - appliance.clock() + timedelta(seconds=1)
    appliance.apply()
    assert appliance.certified(GOOD) == appliance.certified(BAD) != ""
    assert appliance.orders_failed() == []


def test_a_name_that_goes_on_failing_is_asked_for_at_most_four_times_an_hour(appliance, ca):
    appliance.apply()
    begun = appliance.clock()
    while appliance.clock() < begun + timedelta(hours=1):
        appliance.clock.advance(minutes=5)
        appliance.apply()
    validated = ca.log.read_text().count(f"http://{BAD}:") // 3
    assert 1 <= validated <= 4, "each is looked at from three places"
    assert appliance.certified(GOOD)
