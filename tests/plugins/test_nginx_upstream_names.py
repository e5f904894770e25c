"""Upstreams by name on a real nginx: it starts whatever resolves, and is reloaded where an address has changed, and only then."""

import re
from collections.abc import Iterator

import pytest

from agent.model.finding import Severity
from agent.report import read_snapshot, report
from support.appliances.proxied import Proxied
from support.appliances.staged import http

SITE, OTHER = "a.example.test", "b.example.test"
NAME = "db.example.test"
FIND = re.compile(r"(?m)^\s*server ([^ ;]+)")


@pytest.fixture
def named(upstream: int) -> Iterator[Proxied]:
    """An appliance with a site whose upstream has a name, and one by address; not applied yet."""
    with Proxied.make(sites=(SITE, OTHER), upstream=f"http://127.0.0.1:{upstream}") as appliance:
        appliance.upstreams[SITE] = f"http://{NAME}:{upstream}/app/"
        appliance.configure()
        yield appliance


def status(appliance: Proxied, name: str, path: str = "/") -> int:
    with appliance.connect(name) as stream:
        return int(http(stream, path, name).split()[1])


def servers(appliance: Proxied, name: str = SITE) -> list[str]:
    """Return the servers of the upstream of a site, as its live generation has them."""
    head = (appliance.live("reverse_proxy") / f"sites/{name}.conf").read_text().partition("server {")[0]
    return [each.rpartition(":")[0] for each in FIND.findall(head)]


def findings(appliance: Proxied) -> list[tuple[str, Severity]]:
    now = appliance.clock()
    found = report(read_snapshot(appliance.layout, now), now).findings
    return [(each.problem.code, each.severity) for each in found if each.problem.code.startswith("status.name")]


def minute(appliance: Proxied, *addresses: str, times: int = 1) -> None:
    """Let the resolver say this, and a minute pass."""
    appliance.names[NAME] = addresses
    for _ in range(times):
        appliance.clock.advance(seconds=61)
        appliance.apply()


def test_a_name_that_does_not_resolve_is_a_502_and_all_other_sites_start(named: Proxied):
    named.bring_up()
    assert (status(named, SITE), status(named, OTHER)) == (502, 200)
    assert findings(named) == [("status.name_unresolved", Severity.ERROR)]
    minute(named, "127.0.0.1")
    assert (status(named, SITE), status(named, OTHER)) == (200, 200)
    assert findings(named) == []
    named.assert_live()


def test_a_name_is_known_before_its_site_is_first_served(named: Proxied):
    named.names[NAME] = ["127.0.0.1"]
    named.bring_up()
    assert status(named, SITE) == 200
    assert named.live("reverse_proxy").name == "1"


def test_a_name_is_asked_for_once_a_minute_and_only_a_change_reloads(named: Proxied):
    named.names[NAME] = ["127.0.0.1", "127.0.0.2"]
    named.bring_up()
    named.apply()
    assert named.asked == [NAME]
    minute(named, "127.0.0.2", "127.0.0.1", times=3)
    assert (named.asked, named.runner.count("SIGHUP")) == ([NAME] * 4, 0)
    minute(named, "127.0.0.3")
    assert (servers(named), named.runner.count("SIGHUP")) == (["127.0.0.3"], 1)


def test_addresses_that_take_turns_reload_until_all_are_known(named: Proxied):
    named.names[NAME] = ["127.0.0.1"]
    named.bring_up()
    for last in (2, 1, 2):
        minute(named, f"127.0.0.{last}")
    named.runner.ran.clear()
    for last in (1, 2, 1, 1, 2):
        minute(named, f"127.0.0.{last}")
    assert (servers(named), named.runner.count("SIGHUP")) == (["127.0.0.1", "127.0.0.2"], 0)


def test_while_the_resolver_fails_the_last_addresses_are_served(named: Proxied):
    named.names[NAME] = ["127.0.0.1"]
    named.bring_up()
    named.names[NAME] = "Temporary failure in name resolution"
    for expected in (Severity.NOTICE, Severity.WARNING):
        named.clock.advance(minutes=11)
        named.apply()
        assert findings(named) == [("status.name_lookup_failing", expected)]
    assert (status(named, SITE), named.runner.count("SIGHUP")) == (200, 0)


def test_a_boot_asks_nobody_and_uses_the_last_addresses(named: Proxied):
    named.names[NAME] = ["127.0.0.1"]
    named.bring_up()
    named.asked.clear()
    named.clock.advance(days=1)
    named.configure(module={"max_body_mb": 7})  # so that there is something to make
    named.engine().boot()
    assert (named.asked, servers(named)) == ([], ["127.0.0.1"])
    assert "client_max_body_size 7m" in (named.live("reverse_proxy") / f"sites/{SITE}.conf").read_text()


def test_the_very_first_boot_makes_what_nginx_starts_with_and_the_next_pass_the_rest(named: Proxied):
    named.names[NAME] = ["127.0.0.1"]
    named.engine().boot()
    assert named.asked == []
    named.start_service()
    assert (status(named, SITE), status(named, OTHER)) == (502, 200)
    named.apply()
    assert (status(named, SITE), named.asked) == (200, [NAME])


def test_what_is_no_longer_needed_is_not_asked_for(named: Proxied):
    named.apply()
    named.upstreams[SITE] = named.upstream.replace("127.0.0.1", "localhost")
    named.configure()
    named.asked.clear()
    named.clock.advance(minutes=2)
    named.apply()
    assert named.asked == []
    with named.store() as store:
        assert store.resolved.all() == []


def test_a_plan_asks_nobody(named: Proxied):
    named.engine().plan()
    named.apply()
    named.asked.clear()
    named.clock.advance(minutes=2)
    named.engine().plan()
    assert named.asked == []


def test_an_address_and_localhost_need_no_resolver(named: Proxied):
    named.upstreams[SITE] = named.upstream.replace("127.0.0.1", "localhost")
    named.configure()
    named.bring_up()
    assert (status(named, SITE), status(named, OTHER), named.asked) == (200, 200, [])
