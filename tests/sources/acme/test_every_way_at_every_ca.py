"""Each real CA issues by each type of challenge that it offers."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agent.sources.acme.challenges.challenge_type import ChallengeType
from agent.sources.acme.persist.asking import persist_account
from agent.sources.acme.persist.record import record_of
from support.cas.challtestsrv import NEW, OLD
from support.fakes.orderer import Opened, Orderer
from support.fakes.zone_records import ZoneRecords
from support.servers.zones import Zones

HTTP, ALPN, DNS, PERSIST = (
    ChallengeType.HTTP_01,
    ChallengeType.TLS_ALPN_01,
    ChallengeType.DNS_01,
    ChallengeType.DNS_PERSIST_01,
)
BY_DNS = (DNS, PERSIST)
"""These prove wildcards."""
NUMBERS = count(1)


class Kind(NamedTuple):
    """A CA, and what it offers."""

    fixture: str
    options: dict[str, Any]
    offers: tuple[ChallengeType, ...]
    fixed: tuple[ChallengeType, ...] = ()
    """What it asks for at port 80 or 443, whatever it is told."""


CAS = {
    "pebble-bookworm": Kind("pebble_with", {"programs": OLD}, (HTTP, ALPN, DNS)),
    "pebble-sid": Kind("pebble_with", {"programs": NEW}, (HTTP, ALPN, DNS, PERSIST)),
    "acme2certifier": Kind("acme2certifier_with", {"persist_issuer": "ca.test"}, (HTTP, ALPN, DNS, PERSIST), (ALPN,)),
    "caddy": Kind("caddy_with", {}, (HTTP, ALPN, DNS), (HTTP, ALPN)),
}
EACH = [
    pytest.param(kind, type_, id=f"{name}-{type_}", marks=[pytest.mark.root] if type_ in kind.fixed else [])
    for name, kind in CAS.items()
    for type_ in kind.offers
]


@contextmanager
def alone() -> Iterator[None]:
    """Keep ports 80 and 443 from the other cases, in whatever process they run."""
    with (Path(tempfile.gettempdir()) / "chainwright-tests-ports-80-443").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def published(zones: Zones, orderer: Orderer, zone: str) -> None:
    """Set the lasting record of a domain and its wildcard."""
    ca, context = orderer.ca_context, orderer.context
    record = record_of(zone, persist_account(orderer.source, ca, context, ca.account(context)), wildcard=True)
    zones.bind9.update(zone, ("add", record.owner, "TXT", f'"{record.value}"'))


@pytest.mark.parametrize(("kind", "type_"), EACH)
def test_a_ca_issues_by_each_type_that_it_offers(
    kind: Kind, type_: ChallengeType, request: pytest.FixtureRequest, at: Opened, zones: Zones
):
    zone = zones.add(f"way-{next(NUMBERS)}.test", secondary=False)
    zones.host(zone)
    zones.host(f"www.{zone}")
    fixed = type_ in kind.fixed
    with alone() if fixed else nullcontext():
        start: Callable[..., Any] = request.getfixturevalue(kind.fixture)
        known = {"hosts": [zone, f"www.{zone}"]} if fixed and kind.fixture == "caddy_with" else {}
        ca = start(dns_place=zones.place, **kind.options, **known)
        ports = {"http_port": 80, "tls_port": 443} if fixed else {}
        orderer = at(ca, challenges=[type_], names="any", resolvers=[zones.place], dns_port=zones.port, **ports)
        orderer.context.dns01 = ZoneRecords(zones, zone)
        if type_ is PERSIST:
            published(zones, orderer, zone)
        names = [zone, f"*.{zone}"] if type_ in BY_DNS else [zone, f"www.{zone}"]
        assert set(orderer.order(*names).names) == set(names)
        if type_ is DNS:
            assert zones.bind9.txt(f"_acme-challenge.{zone}") == []
