"""Damage to one module's paths in a service that two share: the other module's chains are renewed all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from test_shared_service import FRONT, SIDE, chains, shared, wire  # noqa: F401 - a fixture

from agent.model.deployment import Outcome, Step
from support import obstacles
from support.appliances.deployed import Deployed


def broken_and_immutable(appliance: Deployed, module: str) -> obstacles.Cure:
    """Damage a file in service, so that it is to be made again, where nothing can be made."""
    (appliance.live(module) / "a.example.test/site.conf").write_text("# mine\n")
    return obstacles.state_is_immutable(appliance, module)


DAMAGES = [
    obstacles.live_is_a_directory,
    obstacles.state_is_a_file,
    obstacles.state_is_immutable,
    obstacles.state_is_read_only,
    broken_and_immutable,
]


@pytest.fixture(params=DAMAGES, ids=[each.__name__ for each in DAMAGES])
def cure(shared: Deployed, request: pytest.FixtureRequest) -> Iterator[obstacles.Cure]:  # noqa: F811
    cures = [request.param(shared, "front")]

    def once() -> None:
        while cures:
            cures.pop()()

    yield once
    once()


@pytest.mark.sampled(2)
@pytest.mark.root
def test_the_other_module_is_renewed(shared, cure):  # noqa: F811
    before = chains(shared)
    for _ in range(2):  # what is damaged is seen in the first, and is to be made again in the second
        shared.renew()
        shared.apply()
    now = chains(shared)
    assert wire(shared, *SIDE) == {name: now[name] for name in SIDE}
    assert set(before.values()).isdisjoint(now[name] for name in SIDE)
    assert shared.deployment("side").outcome is Outcome.LIVE
    cure()
    for _ in range(2):
        shared.clock.advance(minutes=11)
        shared.apply()
    assert wire(shared, *FRONT, *SIDE) == chains(shared)
    assert shared.deployment("front").outcome is Outcome.LIVE, shared.deployment("front").problem
    assert shared.refusals() == []


@pytest.mark.root
def test_after_a_crash_too(shared, request):  # noqa: F811
    shared.renew()
    shared.dies_at(Step.RELOADING)
    cure = obstacles.live_is_a_directory(shared, "front")
    shared.apply()
    now = chains(shared)
    assert wire(shared, *SIDE) == {name: now[name] for name in SIDE}
    assert shared.deployment("side").outcome is Outcome.LIVE, shared.deployment("side").problem
    assert shared.deployment("front").outcome is Outcome.BROKEN
    cure()
    for _ in range(2):
        shared.clock.advance(minutes=11)
        shared.apply()
    assert wire(shared, *FRONT, *SIDE) == chains(shared)
