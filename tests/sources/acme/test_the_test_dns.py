"""The DNS servers of the tests are what tests take them for, and each test CA asks them."""

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.resolver
import dns.update
import pytest

from agent.sources.acme.client import AcmeClient
from agent.sources.acme.messages import Order
from support.cas.program import tail
from support.clients.acme import asking, csr_for
from support.fakes.source_context import FakeSourceContext
from support.servers.dns_program import absolute
from support.servers.zones import BIND9, KNOT, Zones
from support.waiting import until


def signed(zones: Zones, zone: str, name: str, kind: str, value: str) -> dns.rcode.Rcode:
    """Add a record as the agent; return what the server says."""
    update = dns.update.UpdateMessage(absolute(zone), keyring=zones.key.for_dnspython)
    update.add(absolute(name), 60, kind, value)
    server = KNOT if zones.knot.zones.get(zone) else BIND9
    return dns.query.tcp(update, server, 10, port=zones.port).rcode()


def test_both_servers_have_what_is_written_at_the_primary(zones: Zones) -> None:
    zone = zones.add("both.test")
    assert signed(zones, zone, "_acme-challenge.both.test", "TXT", '"one"') == dns.rcode.NOERROR
    assert signed(zones, zone, "_acme-challenge.both.test", "TXT", '"two"') == dns.rcode.NOERROR
    assert zones.bind9.txt("_acme-challenge.both.test") == ["one", "two"]
    until(lambda: zones.knot.txt("_acme-challenge.both.test") == ["one", "two"])
    assert len([line for line in zones.bind9.updates() if "'both.test/IN': adding an RR" in line]) == 2


def test_the_key_of_the_agent_changes_nothing_but_txt(zones: Zones) -> None:
    assert signed(zones, zones.add("txt.test"), "www.txt.test", "A", "192.0.2.1") == dns.rcode.REFUSED


def test_a_zone_can_be_frozen_and_a_server_silent(zones: Zones) -> None:
    zone = zones.add("frozen.test")
    with zones.bind9.frozen(zone):
        assert signed(zones, zone, "_acme-challenge.frozen.test", "TXT", "a") == dns.rcode.REFUSED
    with zones.knot.frozen(zone):
        assert signed(zones, zone, "_acme-challenge.frozen.test", "TXT", "b") == dns.rcode.NOERROR
        assert zones.knot.txt("_acme-challenge.frozen.test") == []
    until(lambda: zones.knot.txt("_acme-challenge.frozen.test") == ["b"])
    with zones.knot.silent(), pytest.raises(dns.exception.Timeout):
        zones.knot.ask(zone, "SOA", timeout=0.3)
    assert zones.knot.serial(zone) == zones.bind9.serial(zone)


def test_knot_has_zones_of_its_own_which_the_resolver_finds_also_by_an_alias(zones: Zones) -> None:
    zones.add("alias.test")
    zone = zones.add_to_knot("target.test")
    zones.alias("_acme-challenge.alias.test", "a.target.test")
    assert signed(zones, zone, "a.target.test", "TXT", "there") == dns.rcode.NOERROR
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [BIND9], zones.port
    answer = resolver.resolve("_acme-challenge.alias.test", "TXT")
    assert (str(answer.canonical_name), [str(each) for each in answer]) == ("a.target.test.", ['"there"'])


def test_the_root_refers_to_a_zone_and_a_zone_to_the_one_below_it(zones: Zones) -> None:
    zones.add("above.test", secondary=False)
    zones.add_to_knot("below.above.test")
    query = dns.message.make_query("www.below.above.test", "A", flags=0)
    for server in (zones.roots[0], BIND9):
        answer = dns.query.udp(query, server, 10, port=zones.port)
        assert not answer.answer
        assert answer.authority
    assert [str(each.name) for each in answer.authority] == ["below.above.test."]


def prove(zones: Zones, client: AcmeClient, context: FakeSourceContext, order: Order) -> None:
    """Write what the CA wants to find, then have it look."""
    found = [client.authorization(context, url) for url in order.authorizations]
    asked = [next(each for each in one.challenges if each.type == "dns-01") for one in found]
    for authorization, challenge in zip(found, asked, strict=True):
        name = f"_acme-challenge.{authorization.name}"
        value = challenge.chall.validation(client.key)
        zones.bind9.update(zones.zone_of(name), ("add", name, "TXT", value))
    for challenge in asked:
        client.answer(context, challenge)


@pytest.mark.parametrize("ca", ["pebble", "acme2certifier", "caddy"])
def test_each_ca_issues_for_a_zone_and_its_wildcard(
    ca: str, zones: Zones, request: pytest.FixtureRequest, context: FakeSourceContext
) -> None:
    zone = zones.add(f"{ca}.test")
    made = request.getfixturevalue(f"{ca}_with")(dns_place=zones.place)
    with asking(made, context, contact=["admin@example.com"]) as client:
        order = client.new_order(context, [zone, f"*.{zone}"])
        prove(zones, client, context, order)
        until(lambda: client.order(context, order.url).status == "ready", what=lambda: tail(made.log))
        client.finalize(context, order, csr_for([zone, f"*.{zone}"]))
        until(lambda: client.order(context, order.url).status == "valid", what=lambda: tail(made.log))
    assert len(zones.bind9.txt(f"_acme-challenge.{zone}")) == 2
