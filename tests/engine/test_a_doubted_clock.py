"""Passes while the machine's clock isn't believed: what serves goes on, nothing is lost, and it is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agent.engine.engine import Engine
from agent.engine.time_asked import TimeAsked, ask_the_time
from agent.model.events import EventKind
from agent.model.root import RootPhase
from agent.operations.locked_state import locked_state
from agent.operations.root import reissue_root
from agent.operations.root_steps import begin_signing, retire_root
from agent.report import read_snapshot
from agent.report.build import report
from agent.system.clock import Clock
from agent.system.release import RELEASED_AT
from support.appliances.branching import SETTINGS
from support.appliances.deployed import Deployed, served
from support.appliances.idle import configure
from support.fakes.kernel import FakeKernel
from support.waiting import until

YEARS = timedelta(days=3 * 365)


class Box:
    """An appliance on a machine whose clocks the test moves; its agent may be stopped and started."""

    def __init__(self, deployed: Deployed) -> None:
        self.deployed = deployed
        self.kernel = FakeKernel(datetime.now(UTC))
        self.clock = Clock(deployed.root, self.kernel)
        self.engine = self.another()

    def another(self) -> Engine:
        return Engine(
            self.deployed.layout, clock=self.clock, runner=self.deployed.runner, listeners=[self.deployed.events.append]
        )

    def passes(self):
        return self.engine.run_pass(wait=0.0)

    def told(self, kind: EventKind) -> list[str]:
        return [each.text for each in self.deployed.events if each.kind is kind]

    def chains(self):
        with self.deployed.store() as store:
            return {each.id: each for each in store.chains.records()}


@pytest.fixture
def box(tunnel):
    made = Box(tunnel)
    made.passes()
    return made


def test_a_pass_under_a_clock_years_ahead_changes_nothing_and_the_next_one_neither(box):
    before, wire = box.chains(), served(box.deployed.port)
    box.kernel.passes(timedelta(minutes=20))
    box.kernel.is_set(datetime.now(UTC) + YEARS)
    box.passes()
    assert (box.chains(), served(box.deployed.port)) == (before, wire)
    assert box.told(EventKind.CLOCK_DOUBTED) == [
        "the machine's clock isn't believed: it was set to another time while the machine ran"
    ]
    box.kernel.is_set(datetime.now(UTC) + timedelta(minutes=20))
    made, _ = box.passes()
    assert (box.chains(), served(box.deployed.port)) == (before, wire)
    assert made.next_at - box.clock() < timedelta(days=1), "nothing is held back for years"
    assert box.told(EventKind.CLOCK_BELIEVED) == ["the machine's clock is believed again"]


@pytest.mark.parametrize("shown", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2106, 2, 7, tzinfo=UTC)])
def test_a_new_appliance_whose_clock_is_set_by_nobody_but_a_person_needs_no_more_than_that(appliance, shown):
    appliance.drop_in("branches")
    appliance.settings(SETTINGS.format(up=appliance.root / "up"))
    box = Box(appliance)
    box.kernel.is_set(shown)
    box.passes()
    assert box.clock.doubt is not None
    box.kernel.is_set(RELEASED_AT + YEARS)
    box.passes()
    assert box.clock.doubt is None
    (bound,) = {each.chain for each in box.passes()[0].bindings}
    assert box.chains()[bound].good(box.clock())


def test_a_local_chain_is_renewed_by_what_is_believed(box):
    box.kernel.is_set(datetime.now(UTC) + YEARS)
    box.passes()
    (before,) = box.chains()
    for _ in range(9):
        box.kernel.passes(timedelta(days=40))
        box.passes()
        (bound,) = {each.chain for each in box.passes()[0].bindings}
        assert box.chains()[bound].good(box.clock())
    assert bound != before


def test_an_order_that_runs_when_the_doubt_begins_is_held_and_goes_on_when_it_ends(tunnel):
    tunnel.drop_in("patient")
    gate = tunnel.root / "gate"
    configure(tunnel, sources='"patient", "local"', more=f'[source.patient]\ngate = "{gate}"\n')
    box = Box(tunnel)
    box.passes()
    assert box.engine.workers.ordering
    box.kernel.is_set(datetime.now(UTC) + YEARS)
    until(lambda: not box.engine.workers.ordering, what="the order is held")
    box.passes()
    assert not box.engine.workers.busy, "it isn't asked again"
    with tunnel.store() as store:
        assert [each.problem for each in store.orders.records() if each.problem] == [], "and doesn't count as failed"
    assert "The order waits, as the machine's clock isn't believed." in box.told(EventKind.ORDER_FAILED)
    gate.touch()
    box.clock.accept()
    box.passes()
    until(lambda: box.engine.workers.delivered, what="the order has ended")
    box.passes()
    assert "patient" in {each.source for each in box.chains().values()}
    box.engine.workers.close()


def test_the_status_tells_of_it_before_a_pass_has_and_until_it_is_over(box, capsys):
    real = Clock(box.deployed.root)
    real.accept()
    memory = box.deployed.layout.private / "clock"
    memory.write_text(memory.read_text().replace('"instant": 1', '"instant": 2'))
    now = real()
    (found,) = [
        each for each in report(read_snapshot(box.deployed.layout, now), now).findings if each.subject == "clock"
    ]
    assert found.problem.code == "status.clock"
    assert "isn't believed: it was set to another time while the machine ran" in found.problem.cause
    assert "chainwright clock accept" in found.problem.fix
    real.accept()
    assert not [
        each for each in report(read_snapshot(box.deployed.layout, now), now).findings if each.subject == "clock"
    ]


def test_what_a_pass_says_of_the_clock_is_said_of_its_own(box):
    at = Clock(box.deployed.root)()
    box.kernel.is_set(datetime.now(UTC) + YEARS)
    box.passes()
    assert Clock(box.deployed.root).doubt is not None, "the clock of this machine is not that of the appliance"
    other = Engine(box.deployed.layout, clock=lambda: at, runner=box.deployed.runner)
    said = other.apply(wait=0).report
    assert said is not None
    assert [each for each in said.findings if each.subject == "clock"] == []


# What the CAs say


class Ca:
    """A source that says what time it is."""

    def __init__(self, name: str, *says: datetime | Exception) -> None:
        self.authority = name
        self.says = list(says)
        self.cancelled = False
        self.waited: list[float] = []

    def time(self, _context: object) -> datetime:
        said = self.says.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)


NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
NEAR, FAR = NOW + timedelta(minutes=5), NOW - YEARS


@pytest.mark.parametrize(
    ("cas", "agree"),
    [
        ([Ca("A", NEAR), Ca("B", NOW)], True),
        ([Ca("A", NEAR), Ca("B", FAR)], False),
        ([Ca("A", NEAR), Ca("B", NEAR), Ca("C", FAR)], False),
        ([Ca("A", NEAR), Ca("B", NEAR), Ca("C", OSError())], True),
        ([Ca("A", NEAR), Ca("B", OSError())], False),
        ([Ca("A", NEAR, NOW)], True),
        ([Ca("A", NEAR, FAR)], False),
        ([Ca("A", FAR)], False),
        ([Ca("A", OSError())], False),
        ([Ca("A", NOW.replace(tzinfo=None))], False),
    ],
)
def test_two_answers_have_to_agree_with_the_clock_and_none_may_differ(cas, agree):
    assert ask_the_time([(each, each) for each in cas], lambda: NOW).agree is agree


def test_the_only_ca_is_asked_twice_with_a_pause():
    ca = Ca("Let's Encrypt", NOW, NOW)
    found = ask_the_time([(ca, ca)], lambda: NOW)
    assert (found, len(ca.waited)) == (TimeAsked(("Let's Encrypt", "Let's Encrypt")), 1)
    assert found.who == "the clock of Let's Encrypt agrees with it"
    assert TimeAsked(("A", "B")).who == "the clocks of A and B agree with it"


def test_the_root_s_steps_wait_for_the_clock_after_a_boot_unless_a_person_asks_for_them(box):
    def phases():
        with box.deployed.store() as store:
            return [each.phase for each in store.roots.all()]

    with locked_state(box.engine) as state:
        reissue_root(state, at_once=False)
        begin_signing(state, state.now + timedelta(days=2))
    box.passes()
    box.kernel.boot(datetime.now(UTC) + timedelta(days=20))
    made, _ = box.passes()
    assert phases() == [RootPhase.PREPARED, RootPhase.SIGNING]
    assert timedelta(0) < made.next_at - box.clock() <= timedelta(hours=1)
    box.kernel.passes(timedelta(hours=1, minutes=1))
    box.passes()
    assert phases() == [RootPhase.SIGNING, RootPhase.REPLACED]

    with locked_state(box.engine) as state:
        retire_root(state, state.now + timedelta(days=2))
    box.kernel.boot(datetime.now(UTC) + timedelta(days=40))
    box.passes()
    assert phases() == [RootPhase.SIGNING, RootPhase.REPLACED]
    with locked_state(box.engine) as state:
        retire_root(state, state.now)
    box.passes()
    assert phases() == [RootPhase.SIGNING, RootPhase.RETIRED]
    assert [each.split(": ")[1] for each in box.told(EventKind.ROOT_RETIRED)] == ["as it was asked for"]
