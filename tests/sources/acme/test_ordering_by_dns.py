"""Orders whose names are proved by records in the DNS, beside others that are not."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.errors import SourceError
from agent.errors.challenges import NothingProves
from agent.errors.order import ChallengeMissing
from agent.errors.preflight import PreflightStopped
from agent.errors.validation import ValidationFailed
from agent.sources import AcmeSource
from agent.sources.acme.account_admin import AccountAdmin
from agent.sources.acme.challenges.dns_01 import Dns01Method
from support.cas.challtestsrv import NEW, OLD
from support.cas.stub_ca import Reply, StubCa
from support.fakes.orderer import Opened, Orderer
from support.fakes.zone_records import ZoneRecords
from support.servers.zones import Zones

BOTH = ("http-01", "dns-01")
NUMBERS = count(1)


@pytest.fixture
def zone(zones: Zones) -> str:
    """A zone of the test's own."""
    return zones.add(f"orders-{next(NUMBERS)}.test", secondary=False)


def by_dns(at: Opened, ca: Any, zones: Zones, *served: str, **settings: Any) -> tuple[Orderer, ZoneRecords]:
    """Return an appliance with a solver for these zones, and its records."""
    orderer = at(ca, **{"challenges": BOTH, "names": "any", **settings})
    records = ZoneRecords(zones, *served)
    orderer.context.dns01 = records
    return orderer, records


def values_at(zones: Zones, zone: str) -> list[str]:
    return zones.bind9.txt(f"_acme-challenge.{zone}")


def test_the_settings_alone_rule_out_addresses_and_nobody_is_asked():
    nobody: Any = SimpleNamespace(dns01=None)
    method = Dns01Method(AcmeSource(), nobody, nobody, None)
    assert method.why_not("192.0.2.1") == "the DNS proves no address"
    assert [method.why_not(name) for name in ("www.example.com", "*.example.com")] == ["", ""]


@pytest.mark.parametrize("programs", [NEW, OLD], ids=["new", "old"])
def test_a_domain_and_its_wildcard_are_in_one_chain(at: Opened, pebble_with, zones: Zones, zone: str, programs: Path):
    orderer, records = by_dns(
        at, pebble_with(programs=programs, dns_place=zones.place), zones, zone, challenges=["dns-01"]
    )
    assert orderer.order(zone, f"*.{zone}").covers([zone, f"*.{zone}"])
    ((one, other),) = records.published
    assert (one.name, one.domain) == (other.name, other.domain) == (f"_acme-challenge.{zone}", zone)
    assert one.value != other.value
    assert len(one.value) == 43
    assert values_at(zones, zone) == []


def test_acme2certifier_issues_for_a_domain_and_its_wildcard(at: Opened, acme2certifier_with, zones: Zones, zone: str):
    orderer, _records = by_dns(at, acme2certifier_with(dns_place=zones.place), zones, zone, challenges=["dns-01"])
    assert orderer.order(zone, f"*.{zone}").covers([zone, f"*.{zone}"])
    assert values_at(zones, zone) == []


def test_each_name_of_an_order_is_proved_in_its_own_way(at: Opened, pebble_with, zones: Zones, zone: str):
    ca = pebble_with(dns_place=zones.place)
    zones.host(f"www.{zone}")
    orderer, records = by_dns(at, ca, zones, zone)
    assert orderer.order(f"www.{zone}", f"*.{zone}").covers([f"www.{zone}", f"*.{zone}"])
    assert [each.domain for those in records.published for each in those] == [zone]


def test_where_the_ca_s_look_at_port_80_has_failed_the_next_order_is_proved_by_dns(
    at: Opened, pebble_with, zones: Zones, zone: str
):
    orderer, records = by_dns(at, pebble_with(dns_place=zones.place), zones, zone)
    with pytest.raises(ValidationFailed, match=rf"{zone} by http-01 \("):
        orderer.order(zone)  # it has no address
    assert records.published == []
    assert orderer.order(zone).covers([zone])
    assert len(records.published) == 1


def test_records_are_removed_where_the_ca_does_not_find_them(at: Opened, pebble_with, zones: Zones, zone: str):
    ca = pebble_with()  # asks a DNS of its own
    orderer, records = by_dns(at, ca, zones, zone, challenges=["dns-01"])
    with pytest.raises(ValidationFailed) as failed:
        orderer.order(zone, f"*.{zone}")
    assert failed.value.failed == {zone, f"*.{zone}"}
    assert f"{zone} by dns-01 (" in failed.value.problem.cause
    assert failed.value.problem.fix.startswith(
        f"Look which TXT records the name servers of {zone} have at _acme-challenge.{zone}: all of them must have the one"
    )
    assert len(records.published) == 1
    assert values_at(zones, zone) == []


def test_the_ca_is_not_told_to_look_where_a_record_can_t_be_made(at: Opened, pebble_with, zones: Zones, zone: str):
    ca = pebble_with(dns_place=zones.place)
    zones.host(f"www.{zone}")
    orderer, records = by_dns(at, ca, zones, zone)
    records.failing = {zone}
    with pytest.raises(SourceError, match="can't be written"):
        orderer.order(f"www.{zone}", f"*.{zone}")
    assert ca.requests("/chalZ/") == []
    assert records.there == set()


def test_nothing_is_ordered_where_nobody_knows_where_a_record_belongs(at: Opened, pebble_with, zones: Zones, zone: str):
    ca = pebble_with(dns_place=zones.place)
    orderer, records = by_dns(at, ca, zones, zone, challenges=["dns-01"])
    records.nowhere = {zone}
    with pytest.raises(SourceError, match=f"The zone of {zone} is not found."):
        orderer.order(f"*.{zone}")
    assert ca.requests("/order-plz") == []


def test_nothing_is_ordered_where_no_method_is_left(at: Opened, pebble_with, zones: Zones, zone: str):
    ca = pebble_with(dns_place=zones.place)
    orderer, _records = by_dns(at, ca, zones)
    with pytest.raises(NothingProves) as nothing:
        orderer.order(f"*.{zone}")
    assert nothing.value.problem.lines() == [
        (
            f"acme: 127.0.0.1 was not asked, as nothing proves *.{zone}: http-01: a web server proves no wildcard; "
            f"dns-01: no table [dns.NAME] holds the zone of {zone}: add one."
        ),
        "Do one of these (all of them: chainwright acme check NAME), then: chainwright renew",
    ]
    assert nothing.value.failed == {f"*.{zone}"}
    assert ca.requests("/order-plz") == []


def test_a_type_that_the_ca_does_not_offer_is_no_error_unless_none_is_left(
    at: Opened, stub: StubCa, zones: Zones, zone: str
):
    challenge = {"type": "http-01", "url": f"{stub.url}/challenge/1.0", "token": "a-token-of-24-characters"}
    body = {"status": "pending", "identifier": {"type": "dns", "value": zone}, "challenges": [challenge]}
    stub.script("authorization", Reply(body=body))
    orderer, records = by_dns(at, stub, zones, zone, challenges=["dns-01", "http-01"])
    assert orderer.order(zone).covers([zone])
    assert records.published == []
    stub.script("authorization", Reply(body=body))
    alone, _records = by_dns(at, stub, zones, zone, challenges=["dns-01"])
    with pytest.raises(ChallengeMissing, match=f"does not let {zone} be proved by dns-01; it offers http-01"):
        alone.order(zone)


def test_what_is_missing_is_shown_for_each_name_and_method(at: Opened, pebble_with, zones: Zones, zone: str):
    zones.host(f"www.{zone}")
    orderer, _records = by_dns(at, pebble_with(dns_place=zones.place), zones, resolvers=zones.place)
    seen = AccountAdmin(orderer.source, orderer.context, "acme").look([f"www.{zone}", f"*.{zone}"])
    missing = f"no table [dns.NAME] holds the zone of {{}}{zone}: add one"
    assert [(each.name, each.method, each.obstacle.why if each.obstacle else "") for each in seen.ways] == [
        (f"www.{zone}", "http-01", ""),
        (f"www.{zone}", "dns-01", missing.format("www.")),
        (f"*.{zone}", "http-01", "a web server proves no wildcard"),
        (f"*.{zone}", "dns-01", missing.format("")),
    ]
    assert seen.would_fail
    assert seen.lines[0] == (
        f"stops  127.0.0.1 was not asked, as nothing proves *.{zone}: http-01: a web server proves no wildcard; "
        f"dns-01: no table [dns.NAME] holds the zone of {zone}: add one."
    )


def test_who_would_write_a_record_is_shown_as_that_is_not_tried(at: Opened, pebble_with, zones: Zones, zone: str):
    orderer, records = by_dns(at, pebble_with(dns_place=zones.place), zones, zone, challenges=["dns-01"])
    records.aliases = {"example.com": "x.proof.example.net"}
    seen = AccountAdmin(orderer.source, orderer.context, "acme").look([f"*.{zone}", "*.example.com"])
    alias = (
        "No [dns.NAME] table serves x.proof.example.net, where the record that proves example.com is to be written, "
        "as _acme-challenge.example.com is an alias."
    )
    assert [(each.name, each.how, each.obstacle and each.obstacle.why) for each in seen.ways] == [
        (f"*.{zone}", f"[dns.{zone}] can write the TXT record _acme-challenge.{zone}", None),
        ("*.example.com", "", alias),
    ]


def test_names_that_the_ca_is_never_asked_for_are_told_with_what_would_change_it(at: Opened, stub: StubCa):
    orderer = at(stub, names="public")
    seen = AccountAdmin(orderer.source, orderer.context, "acme").look(
        ["8.8.8.8", "abcdef.onion", "printer", "box.local"]
    )
    private = 'A local chain serves it. For the CA of a company that certifies it: names = "any" in its table.'
    assert (seen.ways, seen.would_fail) == ((), True)
    assert seen.lines == (
        (
            "stops  127.0.0.1 is never asked to certify 8.8.8.8: 8.8.8.8 is an address, which it is not asked for "
            "(addresses = false)."
        ),
        "       A local chain serves it. Set addresses = true in the table of the CA, if it certifies addresses.",
        "stops  127.0.0.1 is never asked to certify abcdef.onion: abcdef.onion is an onion service, which can't be proved here.",
        "       A local chain serves it.",
        "stops  127.0.0.1 is never asked to certify printer: printer is no public name.",
        f"       {private}",
        "stops  127.0.0.1 is never asked to certify box.local: box.local is no public name.",
        f"       {private}",
    )


def test_an_account_that_can_not_be_made_stops_an_order(at: Opened, pebble_with, zones: Zones, zone: str):
    zones.host(f"www.{zone}")
    ca = pebble_with(
        dns_place=zones.place, eab={"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}
    )
    orderer = at(ca, names="any", resolvers=zones.place)
    seen = AccountAdmin(orderer.source, orderer.context, "acme").look([f"www.{zone}"])
    assert seen.would_fail
    assert seen.lines == (
        "stops  127.0.0.1 gives accounts to its own customers only, and the settings name none.",
        "       Get a key identifier and a MAC key there, and put them into [acme.external_account].",
    )


@pytest.mark.parametrize("challenges", [("http-01",), ("http-01", "dns-01"), ("http-01", "dns-persist-01")])
def test_a_name_to_which_the_ca_has_no_way_can_be_proved_by_dns(
    at: Opened, pebble_with, zones: Zones, zone: str, challenges: tuple[str, ...]
):
    orderer, _records = by_dns(
        at, pebble_with(dns_place=zones.place), zones, challenges=challenges, preflight=True, resolvers=zones.place
    )
    with pytest.raises(PreflightStopped) as stopped:
        orderer.order(f"gone.{zone}")
    by_dns_too = f", or prove it by DNS, without a way to this machine (chainwright acme check gone.{zone} says how)"
    assert stopped.value.problem.lines() == [
        (
            f"gone.{zone}: The CA was not asked, because that can't succeed: gone.{zone} does not exist in the DNS "
            "(NXDOMAIN from 127.0.0.1)."
        ),
        f"Add an A or AAAA record for gone.{zone}{by_dns_too if len(challenges) > 1 else ''}, then: chainwright renew",
    ]


def test_so_can_one_that_the_ca_does_not_find(at: Opened, pebble_with, zones: Zones, zone: str):
    ca = pebble_with(dns_place=zones.place)
    orderer, _records = by_dns(at, ca, zones)
    with pytest.raises(ValidationFailed) as failed:
        orderer.order(f"gone.{zone}")
    assert failed.value.problem.fix == (
        f"Let port 80 of gone.{zone} be reached from the internet: DNS, firewall and NAT must lead to this machine, or prove it "
        f"by DNS, without a way to this machine (chainwright acme check gone.{zone} says how), then: chainwright renew"
    )


# Orders that don't move


def test_an_order_that_stays_pending_has_its_authorizations_read(
    at: Opened, acme2certifier_with, zones: Zones, zone: str
):
    ca = acme2certifier_with()  # asks a DNS of its own
    orderer, _records = by_dns(at, ca, zones, zone, challenges=["dns-01"])
    with pytest.raises(ValidationFailed) as failed:
        orderer.order(f"*.{zone}")
    assert failed.value.failed == {f"*.{zone}"}
