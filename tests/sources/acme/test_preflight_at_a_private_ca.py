"""The DNS that a test CA looks at, looked at beforehand: what it would fail of, without the failure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.sources.acme.preflight import Findings, Preflight
from support.cas.challtestsrv import Challtestsrv

NAME = "gw.example.test"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def dns(tmp_path: Path) -> Iterator[Challtestsrv]:
    server = Challtestsrv(tmp_path)
    yield server
    server.close()


def examine(dns: Challtestsrv, *names: str) -> Findings:
    return Preflight([("127.0.0.1", dns.port)]).examine(
        names or (NAME,),
        identities=["pebble.letsencrypt.org"],
        account_url="https://ca.example/acct/1",
        addresses=["127.0.0.1"],
        skew=None,
        now=NOW,
        private_ca=True,
    )


def test_a_name_that_leads_here_is_in_order(dns: Challtestsrv):
    assert examine(dns).all == ()


def test_a_name_without_an_address_stops(dns: Challtestsrv):
    dns.set_default_a("")
    dns.add_a("www.example.test", "127.0.0.1")
    (stop,) = examine(dns, NAME, "www.example.test").all
    assert (stop.name, stop.code, stop.certain) == (NAME, "no_address", True)


def test_caa_records_that_allow_another_ca_stop_until_they_are_changed(dns: Challtestsrv):
    dns.add_caa("example.test", ("issue", "ca.example.net"))
    (stop,) = examine(dns).all
    assert (stop.code, stop.certain) == ("caa", True)
    assert 'Add the record example.test. IN CAA 0 issue "pebble.letsencrypt.org"' in stop.fix
    dns.add_caa("example.test", ("issue", "pebble.letsencrypt.org"))
    assert examine(dns).all == ()


def test_a_lookup_that_fails_is_a_warning(dns: Challtestsrv):
    dns.set_servfail(NAME)
    (warning,) = examine(dns).all
    assert (warning.code, warning.certain) == ("servfail", False)


def test_an_alias_is_followed(dns: Challtestsrv):
    dns.set_cname(NAME, "www.example.test")
    dns.add_caa("www.example.test", ("issue", ";"))
    (stop,) = examine(dns).all
    assert stop.cause.startswith(f"www.example.test, which {NAME} is an alias of, has CAA records that do not allow")


def test_the_steps_of_an_order_go_by_the_addresses_that_its_look_has_found(dns: Challtestsrv):
    dns.add_a(NAME, "127.0.0.1")
    preflight = Preflight([("127.0.0.1", dns.port)])

    def look() -> tuple[str, ...]:
        preflight.examine(
            [NAME], identities=[], account_url="", addresses=["127.0.0.1"], skew=None, now=NOW, private_ca=True
        )
        return preflight.addresses_of(NAME, private_ca=True)

    assert look() == ("127.0.0.1",)
    dns.add_a(NAME, "127.0.0.2")
    assert preflight.addresses_of(NAME, private_ca=True) == ("127.0.0.1",)
    assert look() == ("127.0.0.1", "127.0.0.2")
