"""The agent on a machine that sleeps for a week."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.model.events import EventKind
from support.appliances.deployed import Deployed, served
from support.appliances.idle import START, configure
from support.processes.daemon import Agent, with_suspends

WEEK = timedelta(days=7)


def chain_served(box: Deployed) -> tuple[str, bool]:
    """Return the leaf on the wire, and whether its chain is good by the test's clock."""
    leaf = served(box.port)
    with box.store() as store:
        (record,) = [each for each in store.chains.records() if each.id == leaf]
    return leaf, record.good(box.clock())


@pytest.fixture
def tunnel(idle: Deployed) -> Deployed:
    """An appliance that serves a chain of nine days, which is renewed after half of them."""
    configure(idle, more="[source.local]\nlifetime_days = 9\n")
    idle.apply()
    idle.start("toyd", idle.layout.module("tunnel").live / "toyd.conf")
    idle.apply()
    return idle


def test_a_week_s_sleep_is_one_late_pass(tunnel: Deployed) -> None:
    slept = tunnel.root / "slept"
    with Agent(tunnel.layout, program=with_suspends(slept)) as agent:
        agent.passes(START)
        before, good = chain_served(tunnel)
        assert good
        slept.write_text(str(WEEK.total_seconds()))
        agent.says("made a pass, because the clock was set by +6048")
        tunnel.clock.advance(days=WEEK.days)
        after, good = chain_served(tunnel)
        assert good
        assert after != before
        assert agent.ends() == 0
        assert agent.count("made a pass, because") == 2, agent.log
    with tunnel.store() as store:
        kinds = {each.kind for each in store.journal.since()}
    assert not kinds & {EventKind.CLOCK_DOUBTED, EventKind.CLOCK_BELIEVED}
