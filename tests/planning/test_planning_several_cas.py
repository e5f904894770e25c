"""Groups of the ladder: CAs that stand in for each other, one of which is asked at a time."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract.source import ChainRecord, Offer, OrderRecord, Request, RequestState
from agent.errors.source import Elsewhere
from agent.model.binding import LadderPosition
from agent.planning import Obtain, Plan, State, plan
from agent.planning.binding import bind
from agent.planning.explanation import rungs
from agent.planning.renewal import renewal_instant
from agent.registry.sources import SourceHandle
from support.fakes.ladder import DAY, LOCAL, NOW, UPLOADED, Toy, evidence, failed, local, need, toy, upload

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
FIRST, SECOND, THIRD = (SourceHandle(Toy(), own=True, name=name) for name in ("first", "second", "third"))
LADDER = (UPLOADED, FIRST, SECOND, THIRD, LOCAL)
NEED = need()


class Unwilling(Toy):
    """A CA that serves nobody."""

    def offers(self, request: Request, state: RequestState) -> Offer:
        return Offer(serves=False, reason="it does not want to")


def state(*chains: ChainRecord, orders=(), leased=(), **more) -> State:
    keys = frozenset((NEED.request.id, each.name) for each in leased)
    return State(evidence(*chains, ladder=more.pop("ladder", LADDER), orders=orders, **more), {}, {}, (), (), keys)


def planned(known: State, now: datetime = NOW) -> Plan:
    return plan(now, [], [NEED], known)


def asked(known: State, now: datetime = NOW) -> list[str]:
    return [each.source for each in planned(known, now).actions if isinstance(each, Obtain) and not each.immediate]


def failure(
    source: SourceHandle, elsewhere: Elsewhere, *, retry_at: datetime | None = NOW + HOUR, **more
) -> OrderRecord:
    return failed(NEED, source, retry_at=retry_at, elsewhere=elsewhere, tried_at=more.pop("tried_at", NOW), **more)


def made(source: SourceHandle, *, label: str = "a", days: float = 90, **more) -> ChainRecord:
    return toy(label, NEED, source=source.name, days=days, **more)


def test_only_the_first_is_asked():
    assert asked(state()) == ["first"]


def test_nobody_is_asked_while_one_has_a_good_chain_that_is_not_due():
    for source in (FIRST, SECOND, THIRD):
        assert asked(state(made(source))) == []


def test_a_renewal_begins_with_the_first_whoever_has_made_the_chain():
    old = made(SECOND, since=NOW - 70 * DAY)
    found = planned(state(old))
    (action,) = [each for each in found.actions if isinstance(each, Obtain)]
    assert (action.source, action.group) == ("first", ("first", "second", "third"))
    assert action.above == {"uploaded"}
    assert found.renewals == {old.id: renewal_instant(old.not_before, old.not_after)}


@pytest.mark.parametrize(
    ("elsewhere", "lasting", "next_one"),
    [
        (Elsewhere.NEVER, 0, []),
        (Elsewhere.AT_ONCE, 0, ["second"]),
        (Elsewhere.LASTING, 1, []),
        (Elsewhere.LASTING, 2, []),
        (Elsewhere.LASTING, 3, ["second"]),
    ],
)
def test_the_next_one_is_asked_as_the_failure_allows(elsewhere: Elsewhere, lasting: int, next_one: list[str]):
    serving = made(FIRST, since=NOW - 61 * DAY)
    known = state(serving, orders=[failure(FIRST, elsewhere, lasting=lasting)])
    assert asked(known) == next_one
    assert planned(known).next_at is not None


def test_while_nothing_lasting_serves_an_outage_is_passed_at_once():
    down = failure(FIRST, Elsewhere.LASTING, lasting=1)
    ending = made(FIRST, since=NOW - 80 * DAY)
    assert asked(state(orders=[down])) == ["second"]
    assert asked(state(local("b", NEED), orders=[down])) == ["second"]
    assert asked(state(ending, orders=[down])) == ["second"]
    assert asked(state(upload("c", since=NOW - 61 * DAY), orders=[down])) == []
    assert asked(state(upload("c", since=NOW - 80 * DAY), orders=[down])) == ["second"]


def test_the_plan_comes_back_when_what_serves_becomes_urgent():
    down = failure(FIRST, Elsewhere.LASTING, lasting=1, retry_at=NOW + 20 * DAY)
    serving = made(FIRST, since=NOW - 61 * DAY)
    floor = serving.not_after - 15 * DAY
    assert planned(state(serving, orders=[down])).next_at == floor
    assert asked(state(serving, orders=[down]), floor) == ["second"]


def test_while_one_is_being_asked_no_other_is():
    limited = failure(FIRST, Elsewhere.AT_ONCE, retry_at=NOW - MINUTE, tried_at=NOW - HOUR)
    assert asked(state(leased=[FIRST])) == []
    assert asked(state(orders=[limited], leased=[SECOND])) == []


def test_a_failure_that_only_a_change_of_settings_mends_does_not_pass_on():
    assert asked(state(orders=[failure(FIRST, Elsewhere.NEVER, retry_at=None)])) == []
    changed = failure(FIRST, Elsewhere.NEVER, retry_at=None, settings_digest="of before")
    assert asked(state(orders=[changed])) == ["first"]


def test_what_only_a_person_can_help_is_tried_again_at_the_next_renewal():
    terms = failure(FIRST, Elsewhere.AT_ONCE, retry_at=None, tried_at=NOW - 70 * DAY)
    made_since = made(SECOND, since=NOW - 69 * DAY, created_at=NOW - 69 * DAY)
    assert asked(state(orders=[terms])) == ["second"]
    assert asked(state(made_since, orders=[terms])) == ["first"]
    again = replace(terms, tried_at=NOW - DAY)
    assert asked(state(made_since, orders=[again])) == ["second"]


def test_where_all_fail_each_is_tried_again_when_its_own_pause_is_over():
    down = [
        failure(FIRST, Elsewhere.AT_ONCE, retry_at=NOW + 3 * HOUR),
        failure(SECOND, Elsewhere.AT_ONCE, retry_at=NOW + HOUR),
        failure(THIRD, Elsewhere.AT_ONCE, retry_at=NOW + 2 * HOUR),
    ]
    known = state(local("b", NEED), orders=down)
    assert asked(known) == []
    assert planned(known).next_at == NOW + HOUR
    assert asked(known, NOW + HOUR) == ["second"]
    assert asked(known, NOW + 3 * HOUR) == ["first"]


def test_one_that_declines_is_passed_over():
    class Shy(Toy):
        def offers(self, request, state):
            return super().offers(request, state).__class__(serves=False, reason="it is shy")

    ladder = (SourceHandle(Shy(), own=True, name="first"), SECOND, LOCAL)
    assert asked(state(ladder=ladder)) == ["second"]


def test_a_need_may_name_all_of_them_or_one():
    for sources, found in ((("toy",), ["first"]), (("second",), ["second"]), (("third", "second"), ["second"])):
        known = state(orders=[])
        made_ = plan(NOW, [], [need(sources=sources)], known)
        assert [each.source for each in made_.actions if isinstance(each, Obtain)] == found


def test_a_reissue_that_one_limits_is_asked_of_the_next():
    old = made(FIRST)
    wish = {NEED.request.id: frozenset({old.id})}
    limited = failure(FIRST, Elsewhere.AT_ONCE)
    assert asked(state(old, reissues=wish)) == ["first"]
    assert asked(state(old, orders=[limited], reissues=wish)) == ["second"]
    new = made(SECOND, label="b", since=NOW)
    assert asked(state(old, new, orders=[limited], reissues=wish)) == []


# Which chain serves


def test_the_newest_of_them_serves():
    old, new = made(FIRST, since=NOW - 70 * DAY), made(SECOND, label="b", since=NOW - DAY)
    (binding,) = bind([NEED], evidence(old, new, ladder=LADDER), NOW)
    assert (binding.chain, binding.standing, binding.reason) == (new.id, LadderPosition.WANTED, "second")


def test_the_reason_says_why_it_is_none_of_those_before():
    limited = failure(FIRST, Elsewhere.AT_ONCE, cause="First allows no more.")
    known = evidence(made(SECOND), ladder=LADDER, orders=[limited])
    (binding,) = bind([NEED], known, NOW)
    assert (binding.standing, binding.reason) == (
        LadderPosition.WANTED,
        "second, as first could not: First allows no more",
    )
    unwilling = SourceHandle(Unwilling(), own=True, name="first")
    (binding,) = bind([NEED], evidence(made(THIRD), ladder=(UPLOADED, unwilling, SECOND, THIRD, LOCAL)), NOW)
    assert binding.reason == "third, as first can't: it does not want to"
    (binding,) = bind([NEED], evidence(made(FIRST), ladder=LADDER, orders=[failure(SECOND, Elsewhere.AT_ONCE)]), NOW)
    assert binding.reason == "first"


def test_what_the_service_refuses_gives_way_to_the_other_ones():
    old, new = made(FIRST, since=NOW - 30 * DAY), made(SECOND, label="b", since=NOW - DAY)
    refused = frozenset({(*NEED.key, new.id)})
    (binding,) = bind([NEED], evidence(old, new, ladder=LADDER, refused=refused), NOW)
    assert binding.chain == old.id


def test_a_revoked_chain_of_one_gives_way_and_the_first_is_asked():
    revoked = replace(made(SECOND), revoked_at=NOW)
    assert asked(state(revoked)) == ["first"]


def test_the_reason_says_who_is_asked_and_why():
    limited = failure(FIRST, Elsewhere.AT_ONCE, cause="First allows no more.")
    (binding,) = bind([NEED], evidence(local("c", NEED), ladder=LADDER, orders=[limited]), NOW)
    again = "2026-11-01T13:00:00Z"
    assert binding.reason == (
        f"local until second delivers: it is being asked, as first can't: First allows no more, next try {again}"
    )
    (action,) = [
        each for each in planned(state(local("c", NEED), orders=[limited])).actions if isinstance(each, Obtain)
    ]
    assert action.reason == "there is no toy chain yet; First allows no more, so toy is asked"


def test_every_one_is_explained():
    limited = failure(FIRST, Elsewhere.AT_ONCE, cause="First allows no more.")
    known = evidence(local("c", NEED), ladder=LADDER, orders=[limited])
    (binding,) = bind([NEED], known, NOW)
    found = {each.source: each.answer for each in rungs(NEED, binding, known, NOW)}
    assert found["first"] == "First allows no more, next try 2026-11-01T13:00:00Z"
    assert found["second"] == "it is being asked"
    assert found["third"] == "asked where second can't deliver"
    good = evidence(made(SECOND, since=NOW - DAY), ladder=LADDER)
    (binding,) = bind([NEED], good, NOW)
    found = {each.source: each.answer for each in rungs(NEED, binding, good, NOW)}
    assert found["first"] == "asked at the next renewal, at 2026-12-30T12:00:00Z"
    assert found["second"] == "toy, good until 2027-01-29T12:00:00Z; asked where first can't deliver"
    assert found["third"] == "asked where second can't deliver"


# Whatever fails, in whatever order


class Trial:
    """An appliance with several CAs, whose orders take their time and fail at random."""

    def __init__(self, chance: random.Random, days: float) -> None:
        self.chance, self.days = chance, days
        self.now, self.chains, self.orders = NOW, [local("c", NEED)], {}
        self.working: dict[str, datetime] = {}
        self.delivered: list[tuple[datetime, str]] = []

    @property
    def state(self) -> State:
        names = [each for each in (FIRST, SECOND, THIRD) if each.name in self.working]
        return state(*self.chains, orders=self.orders.values(), leased=names)

    def step(self) -> None:
        known = self.state
        found = planned(known, self.now)
        begun = [each for each in found.actions if isinstance(each, Obtain) and not each.immediate]
        self._judge(begun, known)
        for each in begun:
            self.working[each.source] = self.now + self.chance.choice([0, 1, 30]) * MINUTE
        if self.working:
            source, ends = min(self.working.items(), key=lambda each: each[1])
            self.now = max(self.now, ends)
            del self.working[source]
            self._end(next(each for each in (FIRST, SECOND, THIRD) if each.name == source))
        else:
            assert found.next_at is not None
            self.now = max(found.next_at, self.now + timedelta(seconds=1))

    def _judge(self, begun: list[Obtain], known: State) -> None:
        assert len(begun) + len(self.working) <= 1, "two are asked at once"
        newest = known.evidence.index.made_for(["first", "second", "third"], NEED.request.id, self.now)[:1]
        for each in begun:
            assert all(self.now >= renewal_instant(chain.not_before, chain.not_after) for chain in newest)
            for above in each.group[: each.group.index(each.source)]:
                order = self.orders[above]
                assert order.elsewhere is not Elsewhere.NEVER
                assert order.pause.holds(self.now)
        alone = state(*self.chains, orders=self.orders.values(), ladder=(UPLOADED, FIRST, LOCAL))
        if not self.working and not newest and asked(alone, self.now):
            assert [each.source for each in begun] == ["first"], "the first is asked as if it were the only one"

    def _end(self, source: SourceHandle) -> None:
        if self.chance.random() < 0.35:
            self.orders.pop(source.name, None)
            self.delivered.append((self.now, source.name))
            label = f"{len(self.delivered):x}"
            self.chains.append(toy(label, NEED, source=source.name, since=self.now, days=self.days))
            return
        last = self.orders.get(source.name)
        kind = self.chance.choice(list(Elsewhere))
        self.orders[source.name] = failure(
            source,
            kind,
            retry_at=self.now + self.chance.choice([1, 10, 100, 1440]) * MINUTE,
            tried_at=self.now,
            lasting=(last.lasting if last else 0) + 1 if kind is Elsewhere.LASTING else 0,
        )


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([6.0, 90.0]))
def test_whatever_fails_one_is_asked_at_a_time_and_one_chain_made_for_each_renewal(seed: int, days: float):
    trial = Trial(random.Random(seed), days)
    for _ in range(60):
        trial.step()
    for (earlier, _), (later, _) in zip(trial.delivered, trial.delivered[1:], strict=False):
        assert later >= renewal_instant(earlier, earlier + timedelta(days=days))
