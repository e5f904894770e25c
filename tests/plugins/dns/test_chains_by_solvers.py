"""From settings to the wire with the built-in solvers: a name is proved by a record that another client's script has made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from plugins.acme_dns.server import Server
from support.appliances.certified import Certified
from support.cas.pebble import Options, Pebble
from support.fakes.acme_dns import AcmeDnsServer
from support.paths import CHECKOUT
from support.servers.zones import BIND9, KNOT, Zones
from support.toml import table

ACME_SH = CHECKOUT / ".test/acme_sh_sid/usr/share/acme.sh"


@pytest.fixture(scope="module")
def ca(zones: Zones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    made = Pebble(tmp_path_factory.mktemp("ca"), Options(dns_place=zones.place))
    yield made
    made.close()


@dataclass
class Solved(Certified):
    """An appliance with a DNS solver."""

    solver: str = ""

    def settings(self, text: str) -> None:
        super().settings(text + self.solver)
        self.layout.rooted("/etc/chainwright/chainwright.toml").chmod(0o600)


@contextmanager
def appliance(ca: Pebble, zones: Zones, site: str, solver: dict[str, object], *more: str) -> Iterator[Solved]:
    """Give one whose site is proved by DNS alone."""
    places = [f"{BIND9}:{zones.port}", f"{KNOT}:{zones.port}"]
    asked = table("dns01", {"resolvers": zones.place})
    text = asked + table("dns.tried", {"check_servers": places, **solver}) + "".join(more)
    acme = {"challenges": ["dns-01"], "resolvers": zones.place}
    with Solved.make(ca=ca, acme=acme, sites=[site], solver=text) as made:
        made.configure()
        yield made


def test_a_script_of_acme_sh_proves_a_name(ca: Pebble, zones: Zones, key_file: Path) -> None:
    zone = zones.add("chain-by-acmesh.test")
    environment = {"NSUPDATE_SERVER": BIND9, "NSUPDATE_SERVER_PORT": str(zones.port), "NSUPDATE_KEY": str(key_file)}
    settings = {"plugin": "command", "zones": [zone], "convention": "acme.sh", "script": "dns_nsupdate"}
    variables = table("dns.tried.environment", environment)
    with appliance(ca, zones, f"www.{zone}", settings, variables) as made:
        shutil.copytree(ACME_SH, made.layout.rooted("/usr/share/acme.sh"))
        made.apply()
        made.assert_certified(f"www.{zone}")
    assert zones.bind9.txt(f"_acme-challenge.www.{zone}") == []


def test_an_acme_dns_server_proves_a_name_by_its_alias(ca: Pebble, zones: Zones) -> None:
    zone, auth = zones.add("chain-by-acmedns.test"), zones.add("auth-of-chains.test")
    server = AcmeDnsServer(zones.bind9, auth)
    try:
        registered = dict(Server(server.url, 10).register())
        zones.alias(f"_acme-challenge.www.{zone}", registered["fulldomain"])
        registrations = table(f'dns.tried.registrations."www.{zone}"', registered)
        with appliance(ca, zones, f"www.{zone}", {"plugin": "acme_dns", "url": server.url}, registrations) as made:
            made.apply()
            made.assert_certified(f"www.{zone}")
    finally:
        server.close()


def test_an_order_that_a_server_refused_waits_for_a_day_or_until_the_table_changes(ca: Pebble, zones: Zones) -> None:
    zone = zones.add("chain-by-rfc.test")
    site = f"www.{zone}"
    settings = {"plugin": "rfc2136", "server": BIND9, "port": zones.port, "secret": zones.key.secret}
    with appliance(ca, zones, site, {**settings, "key_name": "nobody"}) as made:
        made.apply()
        (order,) = made.orders_failed()
        assert order.problem is not None
        assert order.problem["cause"] == (
            f'The DNS server does not take the key "nobody" with hmac-sha256 for the zone {zone}.'
        )
        assert order.retry_at is not None
        assert order.tried_at is not None
        assert abs(order.retry_at - order.tried_at - timedelta(days=1)) < timedelta(hours=1)
        made.solver = made.solver.replace("nobody", zones.key.name)
        made.configure()
        made.apply()
        made.assert_certified(site)
    assert zones.bind9.txt(f"_acme-challenge.{site}") == []


def test_the_alias_that_an_acme_dns_server_needs_is_shown_before_anything_is_ordered(ca: Pebble, zones: Zones) -> None:
    zone, auth = zones.add("alias-to-set.test"), zones.add("auth-of-aliases.test")
    server = AcmeDnsServer(zones.bind9, auth)
    try:
        registered = dict(Server(server.url, 10).register())
        site, target = f"www.{zone}", registered["fulldomain"]
        registrations = table(f'dns.tried.registrations."{site}"', registered)
        with appliance(ca, zones, site, {"plugin": "acme_dns", "url": server.url}, registrations) as made:
            made.apply()
            shown = made.terminal.run("acme", "check", site)
            zones.alias(f"_acme-challenge.{site}", target)
            then = made.terminal.run("acme", "check", site)
    finally:
        server.close()
    cause = (
        f"The record of {site} would be looked for at _acme-challenge.{site}, and acme-dns publishes it at {target}."
    )
    fix = f"Add this record to the zone of {site}: _acme-challenge.{site}. CNAME {target}.; then: chainwright renew"
    lines = [line.strip() for line in shown.stdout.splitlines()]
    assert lines[:2] == [f"stops  {cause}", fix]
    assert lines[-3:] == [f"{'NAME':{len(site)}}  METHOD  OUTLOOK", f"{site}  dns-01  {cause}", fix]
    works = f"{site}  dns-01  works, if [dns.tried] can write the TXT record {target}"
    assert [line.strip() for line in then.stdout.splitlines()][-1] == works
    assert zones.bind9.txt(target) == [], "nothing was ordered"
