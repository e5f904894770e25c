"""The clock of real processes is moved, before a real nginx: what serves goes on, nothing is held back, and it is told."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.appliances.moved import DAY, TO_1970, YEAR, Moved
from support.appliances.proxied import SITES
from support.processes.daemon import Agent
from support.processes.moved_clock import built

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no compiler")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("clock"))


@pytest.fixture
def box(library: Path) -> Iterator[Moved]:
    with Moved.make() as box:
        box.moves(library)
        box.configure(sites=SITES[:2])
        assert box.run("apply").returncode in {0, 3}
        box.start_service()
        assert box.run("apply").returncode == 0
        yield box


LEAPS = {"three_years_ahead": 3 * YEAR, "three_years_back": -3 * YEAR, "to_1970": TO_1970, "two_hours_ahead": 7200}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("leap", LEAPS.values(), ids=LEAPS)
def test_passes_under_a_clock_that_leapt_change_nothing_nor_does_its_return(box, leap):
    before = box.wire()
    assert {verdict for _, verdict in before.values()} == {"0 (ok)"}
    for seconds, doubted in ((leap, True), (leap, True), (0, False)):
        box.set(seconds)
        assert box.run("apply").returncode == (3 if doubted else 0)
        assert (box.wire(), box.doubted()) == (before, doubted)
    with box.store() as store:
        assert (store.instant("next at") - box.clock()).total_seconds() < DAY, "nothing is held back for years"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("shown", [TO_1970, 3 * YEAR, -30 * DAY], ids=["1970", "years_ahead", "a_month_behind"])
def test_a_boot_with_a_wrong_clock_serves_what_was_good_and_goes_on_when_it_is_right(box, shown):
    before = box.wire()
    box.reboots(shown)
    assert box.run("boot").returncode == 0
    assert box.run("apply").returncode == 3
    assert (box.wire(), box.doubted()) == (before, True)
    box.set(0)
    assert box.run("apply").returncode == 0
    assert (box.wire(), box.doubted()) == (before, False)


def test_leaps_both_ways_in_one_boot_leave_nothing(box):
    before = box.wire()
    for seconds in (3 * YEAR, -3 * YEAR, 40 * DAY, TO_1970):
        box.set(seconds)
        box.run("apply")
        assert (box.wire(), box.doubted()) == (before, True)
    box.set(0)
    assert box.run("apply").returncode == 0
    assert (box.wire(), box.doubted()) == (before, False)


def test_what_was_believed_under_a_wrong_clock_is_forgotten_when_ntp_sets_it(box):
    box.reboots(20 * DAY)
    box.run("apply")
    assert not box.doubted(), "it can have been switched off for so long"
    box.set(0)
    assert box.doubted()
    box.set(0, ntp=True)
    assert (box.run("apply").returncode, box.doubted()) == (0, False)
    box.set(0)
    assert box.doubted() is False
    box.reboots(0)
    assert (box.run("apply").returncode, box.doubted()) == (0, False), "and not of the 20 days"
    assert {verdict for _, verdict in box.wire().values()} == {"0 (ok)"}


@pytest.mark.parametrize("ahead", [29 * DAY, 3 * YEAR], ids=["29_days", "three_years"])
def test_what_was_renewed_by_a_clock_that_was_ahead_serves_nobody_when_it_is_right(box, ahead):
    """A month ahead at a boot is believed; further ahead is where NTP was told so."""
    before = box.wire()
    box.reboots(ahead, off=60)
    box.set(ahead, ntp=ahead > 30 * DAY)
    box.run("apply")
    assert not box.doubted()
    with box.store() as store:
        roots = {each.sha256: each.phase for each in store.roots.all()}
    box.set(0, ntp=True)
    assert box.run("apply").returncode == 0
    assert box.wire() == before, "what is good serves again, or never stopped"
    box.set(0)
    assert (box.run("apply").returncode, box.doubted()) == (0, False)
    with box.store() as store:
        assert {each.sha256: each.phase for each in store.roots.all()} == roots
        assert (store.instant("next at") - box.clock()).total_seconds() < DAY


def test_a_person_settles_it_and_what_has_ended_by_then_is_renewed(box):
    before = box.wire()
    box.set(3 * YEAR)
    assert box.run("apply").returncode == 3
    assert box.run("clock", "accept").returncode == 0
    assert box.run("apply").returncode == 0
    box.clock.advance(seconds=3 * YEAR)
    after = box.wire()
    assert {verdict for _, verdict in after.values()} == {"0 (ok)"}
    assert not {leaf for leaf, _ in after.values()} & {leaf for leaf, _ in before.values()}


def test_the_first_boot_in_1970_makes_a_root_and_chains_that_are_good_when_the_clock_is_right(library):
    with Moved.make() as box:
        box.moves(library)
        box.set(TO_1970)
        box.configure(sites=SITES[:2])
        assert box.run("boot").returncode == 0
        box.start_service()
        assert {verdict for _, verdict in box.wire().values()} == {"0 (ok)"}
        box.set(0)
        assert (box.run("apply").returncode, box.doubted()) == (0, False)
        assert {verdict for _, verdict in box.wire().values()} == {"0 (ok)"}


def test_the_agent_notices_a_leap_and_its_end_by_itself(box):
    before = box.wire()
    with Agent(box.layout, box.machine.environment) as agent:
        agent.passes("the agent starts")
        for times, leap, ntp in ((1, 3 * YEAR, False), (2, -3 * YEAR, True)):
            box.set(leap)
            agent.passes("the machine's clock isn't believed", times)
            assert box.wire() == before
            box.set(0, ntp=ntp)
            agent.passes("the machine's clock is believed again", times)
            assert box.wire() == before
        assert agent.ends() == 0
    assert box.run("apply").returncode == 0
