"""Orders that a record of dns-persist-01 proves, at real CAs and with a real zone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from agent.errors import persist
from agent.model.persistent import PersistentRecord
from agent.sources.acme.persist.asking import persist_account
from agent.sources.acme.persist.record import record_of
from support.fakes.orderer import Orderer
from support.servers.zones import Zones

ISSUER = "pebble.test"
Opened = Callable[..., Orderer]
NUMBERS = itertools.count(1)


@pytest.fixture
def zone(zones: Zones) -> str:
    return zones.add(f"persist{next(NUMBERS)}.test")


@pytest.fixture(params=["pebble", "acme2certifier"])
def ca(request: pytest.FixtureRequest, zones: Zones) -> Any:
    if request.param == "pebble":
        return request.getfixturevalue("pebble_with")(dns_place=zones.place)
    return request.getfixturevalue("acme2certifier_with")(dns_place=zones.place, persist_issuer=ISSUER)


@pytest.fixture
def orderer(ca: Any, at: Opened, zones: Zones) -> Orderer:
    return at(ca, challenges=["dns-persist-01"], resolvers=[zones.place], dns_port=zones.port, names="any")


def record(orderer: Orderer, domain: str, *, wildcard: bool = True) -> PersistentRecord:
    """Return the record of a domain; the account is made."""
    ca, context = orderer.ca_context, orderer.context
    return record_of(domain, persist_account(orderer.source, ca, context, ca.account(context)), wildcard=wildcard)


def publish(zones: Zones, owner: str, *values: str) -> None:
    """Set the TXT records of a name at both servers of its zone."""
    zone = zones.zone_of(owner)
    zones.bind9.update(zone, ("delete", owner, "TXT"), *(("add", owner, "TXT", f'"{value}"') for value in values))
    wait_until_both(zones, owner)


def wait_until_both(zones: Zones, owner: str) -> None:
    from support.waiting import until

    until(lambda: zones.knot.values(owner, "TXT") == zones.bind9.values(owner, "TXT"), what="the secondary follows")


def test_a_name_and_its_wildcard_are_proved_by_one_record(orderer: Orderer, zones: Zones, zone: str) -> None:
    wanted = record(orderer, zone)
    publish(zones, wanted.owner, "other.example; accounturi=https://other.example/1", wanted.value)
    chain = orderer.order(zone, f"*.{zone}")
    assert set(chain.names) == {zone, f"*.{zone}"}
    orderer.order(zone, f"*.{zone}")


def test_nothing_is_ordered_without_the_record(orderer: Orderer, zone: str) -> None:
    wanted = record(orderer, zone)
    with pytest.raises(persist.RecordMissing) as caught:
        orderer.order(f"*.{zone}")
    assert caught.value.problem.fix == f"Set this TXT record at {wanted.owner}: {wanted.value}"
    assert not orderer.ca.requests("rder")


def test_nothing_is_ordered_with_the_record_of_another_account(orderer: Orderer, zones: Zones, zone: str) -> None:
    wanted = record(orderer, zone)
    publish(zones, wanted.owner, wanted.value.replace("accounturi=", "accounturi=x"))
    with pytest.raises(persist.OtherAccount):
        orderer.order(f"*.{zone}")
    assert not orderer.ca.requests("rder")


def test_a_record_without_policy_proves_no_wildcard(orderer: Orderer, zones: Zones, zone: str) -> None:
    wanted = record(orderer, zone, wildcard=False)
    publish(zones, wanted.owner, wanted.value)
    with pytest.raises(persist.WildcardUnproved):
        orderer.order(f"*.{zone}")
    assert orderer.order(zone).names == (zone,)


def test_a_record_that_one_server_does_not_have_is_waited_for(orderer: Orderer, zones: Zones, zone: str) -> None:
    wanted = record(orderer, zone)
    publish(zones, wanted.owner, "v=spf1 -all")
    with zones.knot.silent():
        zones.bind9.update(zone, ("add", wanted.owner, "TXT", f'"{wanted.value}"'))
        assert orderer.order(f"*.{zone}").names == (f"*.{zone}",), "a server that says nothing is none that lacks it"


def test_the_record_may_be_an_alias_s(orderer: Orderer, zones: Zones, zone: str) -> None:
    other = zones.add(f"elsewhere-{zone}")
    wanted = record(orderer, zone)
    zones.alias(wanted.owner, f"persist.{other}")
    publish(zones, f"persist.{other}", wanted.value)
    assert orderer.order(f"*.{zone}").names == (f"*.{zone}",)
