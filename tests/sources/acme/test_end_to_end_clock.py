"""Chains of a real CA while the machine's clock is wrong, before a real nginx, and what the CA says of the time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.appliances.moved import DAY, TO_1970, MovedCertified
from support.appliances.proxied import SITES
from support.cas.pebble import Pebble
from support.processes.moved_clock import built

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no compiler")

SITE = SITES[0]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("clock"))


@pytest.fixture
def box(library: Path, pebble: Pebble) -> Iterator[MovedCertified]:
    """An appliance that serves a chain of the CA."""
    with MovedCertified.make(ca=pebble, acme={"preflight": False}) as box:
        box.moves(library)
        box.configure()
        assert box.run("apply").returncode == 0
        assert box.sources() == {SITE: "acme"}
        box.assert_certified(SITE)
        pebble.mark()
        yield box


def test_a_chain_of_a_ca_is_served_on_when_the_machine_boots_in_1970(box: MovedCertified, pebble: Pebble) -> None:
    before = box.chains()
    box.kill()
    box.reboots(TO_1970)
    assert box.run("boot").returncode == 0
    box.start_service()
    assert box.chains() == before
    box.assert_certified(SITE)
    for _ in range(2):
        assert box.run("apply").returncode == 3
        assert (box.chains(), box.doubted()) == (before, True)
        box.assert_certified(SITE)
    box.set(0)
    assert box.run("apply").returncode == 0
    assert (box.chains(), box.doubted()) == (before, False)
    box.assert_certified(SITE)
    assert pebble.requests("/order-plz") == [], "nothing is ordered again"


def test_an_answer_of_the_ca_that_disagrees_with_the_clock_ends_no_doubt(box: MovedCertified, pebble: Pebble) -> None:
    before = box.chains()
    box.reboots(40 * DAY)
    assert box.run("apply").returncode == 3
    assert (box.chains(), box.doubted()) == (before, True)
    assert pebble.requests() == ["GET /dir"]
    box.assert_certified(SITE)
