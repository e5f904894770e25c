"""The whole agent, each real CA, bind9 and nginx: a domain and its wildcard in one chain, by records in the DNS alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from support.appliances.wild import Wild
from support.cas.challtestsrv import NEW, OLD
from support.servers.zones import Zones

CAS: dict[str, tuple[str, dict[str, Any]]] = {
    "pebble-bookworm": ("pebble_with", {"programs": OLD}),
    "pebble-sid": ("pebble_with", {"programs": NEW}),
    "acme2certifier": ("acme2certifier_with", {}),
    "caddy": ("caddy_with", {}),
}
NUMBERS = count(1)


@pytest.fixture(params=CAS)
def appliance(request: pytest.FixtureRequest, zones: Zones) -> Iterator[Wild]:
    """A site with a domain and its wildcard, in a zone of the test's own, that is not applied yet."""
    fixture, options = CAS[request.param]
    ca = request.getfixturevalue(fixture)(dns_place=zones.place, **options)
    zone = zones.add(f"wild-{next(NUMBERS)}.test", secondary=False)
    acme = {"challenges": ["dns-01"], "resolvers": zones.place}
    with Wild.make(ca=ca, sites=(zone,), acme=acme, zones=zones) as made:
        made.configure()
        yield made


def test_a_domain_and_its_wildcard_are_served_in_one_chain(appliance: Wild):
    (zone,) = appliance.sites
    appliance.apply()
    assert appliance.sources() == {zone: "acme"}
    assert set(appliance.chain(zone).names) == {zone, f"*.{zone}"}
    appliance.assert_certified(zone)
    assert appliance.certified(f"any.{zone}") == appliance.certified(zone)
    assert (appliance.values, appliance.kept) == ([], 0)
