"""A CA is asked over HTTPS what time it is, while the machine's clock isn't believed."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from agent.engine.engine import Engine, Result
from agent.model.events import EventKind
from agent.system.clock import Clock
from support.appliances.deployed import Deployed, served
from support.appliances.idle import configure
from support.cas import certificates as toy_ca
from support.cas.stub_ca import StubCa
from support.fakes.kernel import FakeKernel
from support.toml import table

TRUST = "/etc/chainwright/ca.pem"
LONG = timedelta(days=50)
"""Longer than a machine is believed to have been off."""


@dataclass
class Doubting:
    """An appliance that serves local chains, whose machine was off for long, with a CA on its ladder."""

    deployed: Deployed
    ca: StubCa

    def __post_init__(self) -> None:
        self.kernel = FakeKernel(datetime.now(UTC))
        self.clock = Clock(self.deployed.root, self.kernel)
        self.applies()
        self.kernel.boot(datetime.now(UTC) + LONG)

    def applies(self) -> Result:
        return self.engine().apply(wait=0)

    def engine(self) -> Engine:
        listeners = [self.deployed.events.append]
        return Engine(self.deployed.layout, clock=self.clock, runner=self.deployed.runner, listeners=listeners)

    def asked(self) -> list[str]:
        return [each.resource for each in self.ca.seen]

    def told(self) -> list[str]:
        return [each.text for each in self.deployed.events if each.kind is EventKind.CLOCK_BELIEVED]


@pytest.fixture
def box(tunnel: Deployed) -> Iterator[Doubting]:
    now = datetime.now(UTC)
    root = toy_ca.root(now=now)
    leaf = root.leaf("127.0.0.1", now=now)
    certificate, key = tunnel.root / "ca-leaf.pem", tunnel.root / "ca-leaf.key"
    certificate.write_bytes(toy_ca.pem(leaf.certificate))
    key.write_bytes(toy_ca.key_pem(leaf.key))
    tunnel.layout.rooted(TRUST).write_bytes(toy_ca.pem(root.certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    ca = StubCa(context)
    settings = table("acme", {"directory": ca.directory_url, "trust": TRUST})
    configure(tunnel, sources='"acme", "local"', more=f'sources = ["local"]\n{settings}')
    yield Doubting(tunnel, ca)
    ca.close()


def test_two_dates_that_agree_with_the_clock_end_a_doubt(box: Doubting) -> None:
    box.ca.clock = lambda: datetime.now(UTC) + LONG
    assert box.clock.doubt is not None
    box.applies()
    assert box.clock.doubt is None
    assert box.asked() == ["directory"] * 2
    assert box.told() == ["the machine's clock is believed again: the clock of 127.0.0.1 agrees with it"]
    assert box.clock() - datetime.now(UTC) > LONG / 2


def test_a_date_that_disagrees_ends_no_doubt_and_the_ca_isn_t_asked_at_once_again(box: Doubting) -> None:
    before = served(box.deployed.port)
    for _ in range(2):
        assert box.applies().plan.next_at == box.clock() + timedelta(minutes=1)
    assert box.clock.doubt is not None
    assert (box.asked(), box.told()) == (["directory"], [])
    assert box.clock() - datetime.now(UTC) < timedelta(days=1)
    assert served(box.deployed.port) == before


def test_the_date_of_a_server_that_nobody_vouches_for_ends_no_doubt(box: Doubting) -> None:
    box.ca.clock = lambda: datetime.now(UTC) + LONG
    box.deployed.layout.rooted(TRUST).write_bytes(toy_ca.pem(toy_ca.root("Another", now=datetime.now(UTC)).certificate))
    box.applies()
    assert box.clock.doubt is not None
    assert box.told() == []


def test_a_clock_that_can_not_be_accepted_stays_doubted_stops_no_pass_and_the_ca_is_asked_again(box: Doubting) -> None:
    box.ca.clock = lambda: datetime.now(UTC) + LONG
    path = box.deployed.layout.private / "clock"
    path.unlink()
    path.mkdir()
    engine = box.engine()
    for _ in range(3):
        assert engine.apply(wait=0).plan is not None
    assert (box.asked(), box.told()) == (["directory"] * 2, [])
    assert box.clock.doubt is not None
    assert [each.text for each in box.deployed.events if each.kind is EventKind.CLOCK_DOUBTED] == [
        "the machine's clock isn't believed: it is more than 30 days ahead of what was seen before the machine was started",
        (
            "the machine's clock still isn't believed, though the clock of 127.0.0.1 agrees with it, as that can't be noted in"
            f" {path}: {path}: a directory is in its place. Move it away: mv {path} {path}.found"
        ),
    ]
    path.rmdir()
    box.kernel.passes(timedelta(minutes=1))
    engine.apply(wait=0)
    assert box.clock.doubt is None
    assert box.told() == ["the machine's clock is believed again: the clock of 127.0.0.1 agrees with it"]
