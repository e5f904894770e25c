"""Hand-over before a chain's end: walks over several lives of chains of every length, from pass to pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.contract.source import ChainRecord, OrderRecord, Source, Watch
from agent.contract.window import parse_window
from agent.errors.problem import Problem
from agent.model.binding import LadderPosition
from agent.model.deployment import Deployment, Outcome, Refusal, RefusedKind
from agent.model.handover import hands_over_at, margin
from agent.model.need import Need
from agent.planning import Declared, Deploy, Obtain, Plan, State, plan
from agent.planning.binding import bind
from agent.planning.comparison import outranked
from agent.planning.evidence import Evidence
from agent.planning.explanation import rungs
from agent.planning.renewal import renewal_instant, safety_floor
from agent.planning.retries import SOONEST, before_deadlines
from agent.sources.acme.problems import next_try
from agent.sources.acme.renewal_info import renewal_due
from support.fakes.ladder import (
    DAY,
    LADDER,
    LOCAL,
    NOW,
    ROOT,
    SLOW,
    TOY,
    UPLOADED,
    evidence,
    failed,
    local,
    need,
    record,
    signed_by,
    toy,
    upload,
)

PROBLEM = Problem("deploy.check_refused", "The test refused it.")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LIVES = {
    "1 h": HOUR,
    "6 h": 6 * HOUR,
    "24 h": DAY,
    "160 h": 160 * HOUR,
    "45 d": 45 * DAY,
    "90 d": 90 * DAY,
    "397 d": 397 * DAY,
}
lives = pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
Up = Callable[[datetime], bool]


def always(_now: datetime) -> bool:
    return True


def never(_now: datetime) -> bool:
    return False


def until(end: datetime) -> Up:
    return lambda now: now < end


@dataclass
class Walk:
    """An appliance with one service, from pass to pass; orders take no time, and fail as the ACME source's do."""

    wanted: Need
    ladder: tuple[Source, ...]
    lives: dict[str, timedelta]
    """Source -> lifetime of its chains."""
    up: dict[str, Up] = field(default_factory=dict)
    """Source -> whether it delivers at an instant."""
    chains: list[ChainRecord] = field(default_factory=list)
    orders: dict[tuple[str, str], OrderRecord] = field(default_factory=dict)
    live: str | None = None
    tries: list[tuple[str, datetime]] = field(default_factory=list)
    failures: list[tuple[str, datetime]] = field(default_factory=list)
    inputs: str = ""
    served: list[tuple[datetime, str]] = field(default_factory=list)
    """Since when which source's chain has been in service."""
    expired: list[tuple[datetime, datetime]] = field(default_factory=list)
    """From when until when an expired chain was."""

    def plan(self, now: datetime) -> Plan:
        # What has expired and serves nothing is forgotten.
        kept = tuple(each for each in self.chains if each.not_after > now or each.id == self.live)
        known = Evidence(self.ladder, kept, self.orders, signed_by(ROOT))
        present = {"mail": Deployment("mail", 1, Outcome.LIVE, inputs=self.inputs, at=now)} if self.live else {}
        live = {"mail": {"default": self.live}} if self.live else {}
        return plan(now, [Declared("mail", "settings")], [self.wanted], State(known, present, live, (), ()))

    def go(self, begin: datetime, end: datetime, *, most: int = 20_000) -> Walk:
        """Make passes as the daemon does: when something is due, or an order has ended."""
        now = begin
        for _ in range(most):
            following = min(self.make_pass(now) or end, end)
            over = self._live_record().not_after if self.live else following
            if over < following:
                self.expired.append((over, following))
            if following >= end:
                return self
            now = following
        raise AssertionError(f"still at {now} after {most} passes")

    def make_pass(self, now: datetime) -> datetime | None:
        """Make one pass as the engine does, and return when the next one is due."""
        self._obtain(self.plan(now), now, immediate=True)
        made = self.plan(now)
        for action in made.actions:
            if isinstance(action, Deploy):
                self.live, self.inputs = action.chains["default"], action.inputs
                self.served.append((now, self._live_record().source))
        if self._obtain(made, now, immediate=False):
            return now + MINUTE  # the pass that deploys it
        return self.plan(now).next_at

    def _obtain(self, made: Plan, now: datetime, *, immediate: bool) -> bool:
        due = [each for each in made.actions if isinstance(each, Obtain) and each.immediate == immediate]
        for each in due:
            self.tries.append((each.source, now))
            if self.up.get(each.source, always)(now):
                self.orders.pop(each.key, None)
                self.chains.append(self._chain(each.source, now))
            else:
                self._fail(each, now)
        return bool(due)

    def _chain(self, source: str, now: datetime) -> ChainRecord:
        life = self.lives[source] / DAY
        root = ROOT if source == "local" else None
        made = record(f"{source} {len(self.chains)}", source, made_for=self.wanted, since=now, days=life, root=root)
        return replace(made, created_at=now)

    def _fail(self, order: Obtain, now: datetime) -> None:
        self.failures.append((order.source, now))
        last = self.orders.get(order.key)
        attempts = last.attempts if last else 0
        at = before_deadlines(next_try(attempts, now, lambda: 0.0), now, order.deadlines, None)
        source = next(each for each in self.ladder if each.name == order.source)
        self.orders[order.key] = replace(failed(self.wanted, source, retry_at=at), attempts=attempts + 1)

    def _live_record(self) -> ChainRecord:
        return next(each for each in self.chains if each.id == self.live)


# The instants


@lives
def test_a_renewal_has_room_for_several_tries_before_the_hand_over(life: timedelta):
    begin, end = NOW, NOW + life
    renewed, floor, over = renewal_instant(begin, end), safety_floor(begin, end), hands_over_at(begin, end)
    assert begin < renewed < floor < over < end
    for first in (renewed, floor):  # a CA that postpones all it can
        at, tries = first, 0
        while at < over:
            tries, at = tries + 1, next_try(tries, at, lambda: 0.0)
        assert tries >= 2 + (life > HOUR)


@pytest.mark.parametrize(
    ("life", "expected"),
    [
        (HOUR, 10 * MINUTE),
        (6 * HOUR, HOUR),
        (20 * HOUR, HOUR),
        (DAY, 72 * MINUTE),
        (160 * HOUR, 8 * HOUR),
        (90 * DAY, 4.5 * DAY),
    ],
)
def test_the_margin_is_a_twentieth_of_the_life_and_an_hour_where_life_allows(life, expected):
    assert margin(NOW, NOW + life) == expected


@given(st.timedeltas(min_value=MINUTE, max_value=4000 * DAY), st.floats(0, 2))
def test_whatever_a_ca_suggests_a_renewal_comes_before_the_hand_over(life, share):
    chain = record("toy", "toy", since=NOW, days=life / DAY)
    watch = Watch(chain=chain.id, renew_at=NOW + life * share)
    due = renewal_due(chain, watch, NOW)
    assert due.at <= safety_floor(chain.not_before, chain.not_after) < hands_over_at(chain.not_before, chain.not_after)


# Walks


@lives
def test_a_source_that_delivers_is_asked_once_a_life_and_serves_all_the_time(life: timedelta):
    walk = Walk(need(), (UPLOADED, TOY, LOCAL), {"toy": life, "local": 90 * DAY}).go(NOW, NOW + 5 * life)
    assert walk.expired == []
    assert {source for _, source in walk.served[2:]} == {"toy"}
    assert [source for source, _ in walk.tries] == [
        "local",
        *["toy"] * round(5 * life / (life - (life / 3 if life >= 10 * DAY else life / 2))),
    ]


@pytest.mark.sampled(5)
@lives
@pytest.mark.parametrize("local_life", [DAY, 90 * DAY], ids=["local of a day", "local of 90 days"])
def test_a_source_that_is_down_hands_over_before_the_end_and_takes_over_again(life: timedelta, local_life: timedelta):
    """It delivers one chain, is away for three lives, and comes back."""
    back = NOW + 4 * life
    walk = Walk(
        need(), LADDER, {"toy": life, "local": local_life}, {"toy": lambda now: now < NOW + MINUTE or now >= back}
    )
    walk.go(NOW, back + 2 * DAY + life)
    assert walk.expired == []
    first = next(each for each in walk.chains if each.source == "toy")
    begun = next(at for at, source in walk.served if source == "local" and at > first.not_before)
    assert begun == hands_over_at(first.not_before, first.not_after)
    assert walk.served[-1][1] == "toy"
    assert max(at for at, source in walk.served if source == "local") < back + 1.01 * DAY


@lives
def test_tries_come_closer_together_before_the_hand_over_and_before_the_end(life: timedelta):
    """At least three in the last day, and three in the last hour, before either."""
    walk = Walk(need(), LADDER, {"toy": life, "local": 90 * DAY}, {"toy": until(NOW + MINUTE)}).go(NOW, NOW + 2 * life)
    (first,) = (each for each in walk.chains if each.source == "toy")
    tries = [at for source, at in walk.failures if source == "toy"]
    for deadline in (hands_over_at(first.not_before, first.not_after), first.not_after):
        renewal = renewal_instant(first.not_before, first.not_after)
        for span in (DAY, HOUR):
            if deadline - span >= renewal:
                spread = [at for at in tries if deadline - span <= at < deadline]
                assert len(spread) >= 3
                assert spread[0] <= deadline - span / 2
                assert spread[-1] >= deadline - span / 2
    assert len(tries) < 40 + 2 * life / DAY


@lives
@pytest.mark.parametrize("pin", [None, "ab01"])
def test_an_upload_that_ends_hands_over_to_the_local_root_while_the_ca_is_down(life: timedelta, pin: str | None):
    mine = upload("ab01", since=NOW, days=life / DAY)
    walk = Walk(need(pin=pin), LADDER, {"toy": life, "local": 90 * DAY}, {"toy": never}, chains=[mine]).go(
        NOW, NOW + 2 * life
    )
    assert walk.expired == []
    assert [source for _, source in walk.served[:2]] == ["uploaded", "local"]
    assert walk.served[1][0] == hands_over_at(mine.not_before, mine.not_after)
    tries = [at for source, at in walk.failures if source == "toy"]
    assert tries[0] == mine.not_after - (mine.not_after - mine.not_before) / 3
    for span in (DAY, HOUR):
        if mine.not_after - span >= tries[0]:
            assert len([at for at in tries if mine.not_after - span <= at < mine.not_after]) >= 3


@lives
def test_an_upload_that_ends_hands_over_to_the_ca_that_was_asked_in_time(life: timedelta):
    mine = upload("ab01", since=NOW, days=life / DAY)
    walk = Walk(need(), LADDER, {"toy": life, "local": 90 * DAY}, chains=[mine]).go(NOW, NOW + 3 * life)
    assert walk.expired == []
    assert [source for _, source in walk.served[:2]] == ["uploaded", "toy"]
    assert "local" not in {source for source, _ in walk.tries}


@lives
def test_local_chains_follow_each_other_also_when_the_disk_is_full_for_a_while(life: timedelta):
    """It is full when the renewal is due, and until twenty minutes before the end."""
    begin, full_until = NOW, NOW + life - 20 * MINUTE
    walk = Walk(need(), (LOCAL,), {"local": life}, {"local": lambda now: now < begin + MINUTE or now >= full_until})
    walk.go(begin, begin + 3 * life)
    assert (walk.expired, bool(walk.failures)) == ([], True)


@lives
def test_where_nothing_else_can_be_had_a_chain_serves_to_its_very_end(life: timedelta):
    walk = Walk(need(sources=("toy",)), LADDER, {"toy": life}, {"toy": until(NOW + MINUTE)}).go(NOW, NOW + life)
    assert (walk.expired, [source for _, source in walk.served]) == ([], ["toy"])
    later = walk.plan(NOW + life + HOUR)
    assert not [each for each in later.actions if isinstance(each, Deploy)]


@lives
def test_a_second_ca_is_asked_before_the_hand_over_so_that_the_local_root_never_serves(life: timedelta):
    ladder = (TOY, SLOW, LOCAL)
    walk = Walk(need(), ladder, {"toy": life, "slow": life, "local": 90 * DAY}, {"toy": until(NOW + MINUTE)})
    walk.go(NOW, NOW + 3 * life)
    assert walk.expired == []
    assert [source for _, source in walk.served[:3]] == ["local", "toy", "slow"]
    assert "local" not in {source for _, source in walk.served[1:]}


@lives
def test_a_machine_that_slept_into_the_margin_makes_one_late_pass(life: timedelta):
    walk = Walk(need(), LADDER, {"toy": life, "local": 90 * DAY}, {"toy": until(NOW + MINUTE)})
    walk.go(NOW, NOW + life / 3)
    (first,) = (each for each in walk.chains if each.source == "toy")
    late = hands_over_at(first.not_before, first.not_after) + margin(first.not_before, first.not_after) / 2
    walk.chains = [each for each in walk.chains if each.source != "local"]
    walk.make_pass(late)
    assert walk.served[-1] == (late, "local")


@lives
def test_a_new_chain_that_its_service_refuses_does_not_keep_the_old_one_beyond_its_margin(life: timedelta):
    wanted = need()
    old, new = toy("old", wanted, since=NOW, days=life / DAY), toy("new", wanted, since=NOW + life / 2, days=life / DAY)
    over = hands_over_at(old.not_before, old.not_after)
    refused = Refusal("mail", "default", RefusedKind.CHAIN, new.id, PROBLEM, 1, over + HOUR)

    def at(now: datetime, *chains: ChainRecord) -> Plan:
        known = evidence(*chains, refused=frozenset({("mail", "default", new.id)}))
        present = {"mail": Deployment("mail", 1, Outcome.ROLLED_BACK, inputs="", at=NOW)}
        state = State(known, present, {"mail": {"default": old.id}}, (refused,), ())
        return plan(now, [Declared("mail", "settings")], [wanted], state)

    before = at(over - MINUTE / 2, old, new)
    assert not [each for each in before.actions if isinstance(each, Obtain)]
    assert before.next_at == over
    assert [each.source for each in at(over, old, new).actions if isinstance(each, Obtain)] == ["local"]
    own = local("local", wanted, since=over - DAY)
    (deploy,) = (each for each in at(over, old, new, own).actions if isinstance(each, Deploy))
    assert deploy.chains == {"default": own.id}


# Order and reasons


def test_of_chains_that_all_end_soon_the_ladder_decides_until_the_last_hour():
    wanted = need()
    top = toy("toy", wanted, since=NOW - 90 * DAY + 5 * HOUR, days=90)
    below = local("local", wanted, since=NOW - 90 * DAY + 8 * HOUR, days=90)
    at = [bind([wanted], evidence(top, below), NOW + hours * HOUR)[0].chain for hours in (0, 3.9, 4, 5, 7.9)]
    assert at == [top.id, top.id, below.id, below.id, below.id]


def test_a_pin_gives_way_too_and_the_reason_says_why():
    wanted = need(pin="ab01")
    pinned, own = upload("ab01", since=NOW - 89 * DAY), local("local", wanted)
    (found,) = bind([wanted], evidence(pinned, own, orders=[failed(wanted, retry_at=NOW + HOUR)]), NOW)
    assert (found.chain, found.standing) == (own.id, LadderPosition.FALLBACK)
    assert found.reason == (
        f"local, as {pinned.id[:12]} (uploaded) ends at 2026-11-02T12:00:00Z, until toy delivers: The CA is away, "
        "next try 2026-11-01T13:00:00Z"
    )
    (found,) = bind([wanted], evidence(pinned, own, ladder=(UPLOADED, LOCAL)), NOW)
    assert found.reason == (
        f"local by design: no other source is configured, as {pinned.id[:12]} (uploaded) ends at 2026-11-02T12:00:00Z"
    )


def test_the_next_upload_and_the_next_rung_say_what_gave_way_to_them():
    wanted, made = need(), toy("toy", need())
    ending, wild = upload("ab01", since=NOW - 89 * DAY), upload("wild", "*.chain.dev")
    as_it_ends = f", as {ending.id[:12]} (uploaded) ends at 2026-11-02T12:00:00Z"
    (found,) = bind([wanted], evidence(ending, wild), NOW)
    assert (found.chain, found.reason) == (wild.id, f"uploaded, covers www.chain.dev, by *.chain.dev{as_it_ends}")
    (found,) = bind([wanted], evidence(ending, made), NOW)
    assert (found.chain, found.standing, found.reason) == (made.id, LadderPosition.WANTED, f"toy{as_it_ends}")


def test_a_chain_for_all_names_together_stands_in_for_one_that_ends_soon():
    whole, part = need("a.chain.dev", "b.chain.dev"), need("a.chain.dev")
    ending, more = toy("part", part, since=NOW - 89 * DAY), toy("whole", whole)
    (found,) = bind([part], evidence(ending, more, local("local", part)), NOW)
    assert (found.chain, found.standing) == (more.id, LadderPosition.STANDS_IN)


def test_what_ends_soon_is_explained_rung_by_rung():
    wanted = need()
    ending, own = upload("ab01", since=NOW - 89 * DAY), local("local", wanted)
    known = evidence(ending, own)
    (binding,) = bind([wanted], known, NOW)
    first, second, third = rungs(wanted, binding, known, NOW)
    assert first.answer == (
        "uploaded, covers www.chain.dev, good until 2026-11-02T12:00:00Z, which is soon: since 2026-10-29T00:00:00Z it gives "
        "way to what lasts longer"
    )
    assert (first.chosen, second.chosen, third.chosen) == (False, False, True)


def test_an_upload_that_ends_too_soon_is_told_why_it_does_not_serve_and_a_pin_would_not_help():
    wanted = need()
    ending, other = upload("ab01", since=NOW - 89 * DAY), upload("new", "*.chain.dev")
    known = evidence(ending, other)
    (found,) = outranked(ending, [wanted], bind([wanted], known, NOW), known, NOW)
    assert (found.chain, found.pinnable) == (other.id, False)
    assert found.reason == "the other one ends at 2026-11-02T12:00:00Z, which is too soon"


# Windows


@pytest.mark.parametrize(("opens_in", "waits"), [(2 * HOUR, True), (20 * HOUR, True), (23 * HOUR, False)])
def test_a_window_that_opens_after_the_hand_over_holds_nothing_back(opens_in: timedelta, waits: bool):
    wanted = need()
    old, new = toy("old", wanted, since=NOW, days=1), toy("new", wanted, since=NOW + 30 * MINUTE, days=1)
    now = NOW + HOUR
    opens = now + opens_in
    window = parse_window(f"{opens:%H:%M}-{opens + HOUR:%H:%M}")
    present = {"mail": Deployment("mail", 1, Outcome.LIVE, inputs="", at=NOW)}
    state = State(evidence(old, new), present, {"mail": {"default": old.id}}, (), ())
    made = plan(now, [Declared("mail", "settings", window)], [wanted], state)
    assert [type(each) for each in made.actions] == ([] if waits else [Deploy])
    assert bool(made.deferred) is waits


def test_a_window_goes_on_holding_back_what_does_not_change_a_chain_for_which_there_is_no_other():
    wanted = need(sources=("toy",))
    only = toy("old", wanted, since=NOW - DAY, days=1.01)
    present = {"mail": Deployment("mail", 1, Outcome.LIVE, inputs="", at=NOW)}
    state = State(evidence(only), present, {"mail": {"default": only.id}}, (), ())
    made = plan(NOW, [Declared("mail", "other settings", parse_window("20:00-21:00"))], [wanted], state)
    assert made.deferred == {"mail": NOW + 8 * HOUR}


# Tries


@given(
    st.lists(st.timedeltas(min_value=-DAY, max_value=60 * DAY), max_size=4),
    st.timedeltas(min_value=MINUTE, max_value=3 * DAY),
    st.none() | st.timedeltas(min_value=timedelta(0), max_value=3 * DAY),
)
def test_a_try_is_never_later_than_it_was_nor_before_the_ca_allows_it(deadlines, pause, asked):
    earliest = NOW + asked if asked is not None else None
    at = before_deadlines(NOW + pause, NOW, [NOW + each for each in deadlines], earliest)
    assert at <= NOW + pause
    assert at >= min(NOW + pause, max(NOW + SOONEST, earliest or NOW))


@given(st.timedeltas(min_value=DAY, max_value=9 * DAY), st.timedeltas(min_value=MINUTE, max_value=2 * DAY))
def test_however_long_the_pauses_there_are_three_tries_in_the_last_day_and_in_the_last_hour(left, pause):
    now, end, tries = NOW, NOW + left, []
    while now < end:
        tries.append(now)
        now = before_deadlines(now + pause, now, [end], None)
    assert len([at for at in tries if at >= end - DAY]) >= 3
    assert len([at for at in tries if at >= end - HOUR]) >= 3


def test_a_deadline_is_told_to_whoever_asks_a_source_and_a_lower_rung_sets_none():
    wanted = need()
    ending = toy("toy", wanted, since=NOW - 80 * DAY)
    mine = upload("ab01", since=NOW - 70 * DAY)

    def orders(*chains: ChainRecord) -> dict[str, tuple[datetime, ...]]:
        made = plan(NOW, [], [wanted], State(evidence(*chains, ladder=(UPLOADED, TOY, SLOW, LOCAL)), {}, {}, (), ()))
        return {each.source: each.deadlines for each in made.actions if isinstance(each, Obtain)}

    assert orders(ending) == {"toy": (ending.not_after - 4.5 * DAY, ending.not_after)}
    assert orders(mine)["slow"] == orders(mine)["toy"] == (mine.not_after - 4.5 * DAY, mine.not_after)
    assert orders(local("local", wanted, since=NOW - DAY))["toy"] == ()


# The root's end


@given(st.timedeltas(min_value=timedelta(seconds=1), max_value=200 * DAY))
def test_a_local_chain_that_ends_with_its_root_is_not_made_again_and_again(left: timedelta):
    wanted = need()
    own = replace(local("local", wanted, since=NOW - 5 * MINUTE), not_after=NOW + left, created_at=NOW)
    known = replace(evidence(own, ladder=(LOCAL,)), signers=signed_by(ROOT, until=NOW + left))
    for share in (0.0, 0.5, 0.9, 0.99):
        made = plan(NOW + left * share, [], [wanted], State(known, {}, {}, (), ()))
        assert not [each for each in made.actions if isinstance(each, Obtain)]
    longer = replace(known, signers=signed_by(ROOT, until=NOW + left + 200 * DAY))
    made = plan(NOW + left * 0.9, [], [wanted], State(longer, {}, {}, (), ()))
    assert [each.source for each in made.actions if isinstance(each, Obtain)] == ["local"]
