"""Pauses that were noted under a wrong clock hold nothing back, and wishes for other chains are no comparison of instants."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from agent.contract.source import Source
from agent.errors.problem import Problem
from agent.model.deployment import Deployment, EndpointRecord, Outcome, Refusal, RefusedKind
from agent.model.handover import hands_over_at
from agent.model.pause import TOLERANCE, Pause
from agent.model.peer import LIFETIME, Peer
from agent.model.records import ChainRecord, Watch
from agent.pki.purpose import Purpose
from agent.planning import Deploy, Inquire, Look, Obtain, SignAgain, State, plan
from agent.planning.evidence import Evidence
from agent.planning.state import Declared
from support.cas.certificates import DAY, NOW
from support.fakes.ladder import LADDER, LOCAL, ROOT, Toy, evidence, failed, local, need, toy

WANTED = need()
HOUR = timedelta(hours=1)
YEARS = 3650 * DAY
WRONG = [YEARS, 400 * DAY, 20 * DAY, 2 * HOUR]
"""By how much the clock was ahead."""
PROBLEM = Problem("test.refused", "It was refused.")
PEER = Peer(
    serial="5d0c",
    sha256="cd" * 32,
    module="ikev2",
    label="branch-1",
    names=("b.example.test",),
    purposes=(Purpose.CLIENT,),
    root="bb" * 32,
    not_before=NOW,
    not_after=NOW + LIFETIME,
    created_at=NOW,
)


class Watching(Toy):
    watches = True


def planned(found: Evidence, now: datetime = NOW, modules: tuple[Declared, ...] = (), **state):
    known = {"deployments": {}, "live_chains": {}, "refusals": (), "endpoints": ()} | state
    return plan(now, modules, [WANTED], State(found, **known))


def obtained(found: Evidence, now: datetime = NOW) -> list[str]:
    return [each.source for each in planned(found, now).actions if isinstance(each, Obtain)]


def the(kind: type, made) -> list:
    return [action for action in made.actions if isinstance(action, kind)]


# Each kind of pause: `at` is what the clock said when it was noted


def order(at: datetime, now: datetime) -> bool:
    tried = failed(WANTED, retry_at=at + DAY, tried_at=at)
    return obtained(evidence(toy("aa", WANTED, since=NOW - 80 * DAY), orders=[tried]), now) == ["toy"]


def renewal_inquiry(at: datetime, now: datetime) -> bool:
    return _inquiry(Watch(chain=toy("aa", WANTED).id, next_at=at + DAY, asked_at=at), now, crl=False)


def revocation_inquiry(at: datetime, now: datetime) -> bool:
    return _inquiry(Watch(chain=toy("aa", WANTED).id, crl_at=at + DAY, crl_asked_at=at), now, crl=True)


def _inquiry(watch: Watch, now: datetime, *, crl: bool) -> bool:
    chain = replace(toy("aa", WANTED), crl=crl)
    ladder: tuple[Source, ...] = (LADDER[0], Watching(), LOCAL)
    return bool(the(Inquire, planned(evidence(chain, ladder=ladder, watches={chain.id: watch}), now)))


def refusal(at: datetime, now: datetime) -> bool:
    better, next_best = toy("aa", WANTED), local("bb", WANTED)
    refused = Refusal("mail", "default", RefusedKind.CHAIN, better.id, PROBLEM, 3, at + DAY, at)
    found = evidence(better, next_best, refused=frozenset({("mail", "default", better.id)}))
    deployed = Deployment("mail", 1, Outcome.LIVE, inputs="")
    made = planned(
        found,
        now,
        (Declared("mail", "settings"),),
        deployments={"mail": deployed},
        live_chains={"mail": {"default": next_best.id}},
        refusals=(refused,),
    )
    return [each.chains["default"] for each in the(Deploy, made)] == [better.id]


def deployment(at: datetime, now: datetime) -> bool:
    chain = toy("aa", WANTED)
    modules = (Declared("mail", "settings"),)
    (first,) = the(Deploy, planned(evidence(chain), now, modules))
    broken = Deployment("mail", 1, Outcome.BROKEN, inputs=first.inputs, attempts=4, retry_at=at + DAY, tried_at=at)
    live = {"mail": {"default": chain.id}}
    return bool(the(Deploy, planned(evidence(chain), now, modules, deployments={"mail": broken}, live_chains=live)))


def endpoint(at: datetime, now: datetime) -> bool:
    chain = toy("aa", WANTED)
    modules = (Declared("mail", "settings"),)
    (first,) = the(Deploy, planned(evidence(chain), now, modules))
    live = Deployment("mail", 1, Outcome.LIVE, inputs=first.inputs)
    row = EndpointRecord("mail", "k", "default", "127.0.0.1:443", "", chain.id, chain.id, True, None, at, at + DAY)
    made = planned(
        evidence(chain),
        now,
        modules,
        deployments={"mail": live},
        live_chains={"mail": {"default": chain.id}},
        endpoints=(row,),
    )
    return bool(the(Look, made))


def peer(at: datetime, now: datetime) -> bool:
    held = {PEER.sha256: Pause(at, at + DAY, DAY)}
    roots = {ROOT: NOW + YEARS}
    return bool(the(SignAgain, planned(evidence(toy("aa", WANTED)), now, peers=(PEER,), held_back=held, roots=roots)))


KINDS = [order, renewal_inquiry, revocation_inquiry, refusal, deployment, endpoint, peer]


@pytest.mark.parametrize("ahead", WRONG, ids=str)
@pytest.mark.parametrize("is_due", KINDS, ids=lambda kind: kind.__name__)
def test_what_was_noted_under_a_clock_that_was_ahead_is_due(is_due, ahead):
    assert is_due(NOW + ahead, NOW)


@pytest.mark.parametrize("is_due", KINDS, ids=lambda kind: kind.__name__)
def test_what_was_noted_under_a_clock_that_was_behind_is_due(is_due):
    assert is_due(datetime(1970, 1, 1, tzinfo=NOW.tzinfo), NOW)


@pytest.mark.parametrize("is_due", KINDS, ids=lambda kind: kind.__name__)
def test_a_pause_under_a_right_clock_lasts_as_long_as_it_was_meant_to(is_due):
    moments = [timedelta(), HOUR, DAY - timedelta(seconds=1), DAY]
    assert [is_due(NOW, NOW + after) for after in moments] == [False, False, False, True]


@pytest.mark.parametrize("is_due", KINDS, ids=lambda kind: kind.__name__)
def test_what_another_process_noted_a_moment_later_is_not_due(is_due):
    assert not is_due(NOW + TOLERANCE / 2, NOW)


def test_a_source_that_wants_a_month_gets_it():
    tried = failed(WANTED, retry_at=NOW + 31 * DAY, tried_at=NOW)
    old = toy("aa", WANTED, since=NOW - 80 * DAY)
    assert obtained(evidence(old, orders=[tried])) == []


def test_the_next_pass_is_at_the_end_of_a_pause_and_not_at_that_of_a_wrong_one():
    old = toy("aa", WANTED, since=NOW - 80 * DAY)
    right = failed(WANTED, retry_at=NOW + HOUR, tried_at=NOW)
    wrong = failed(WANTED, retry_at=NOW + YEARS, tried_at=NOW)
    assert planned(evidence(old, orders=[right])).next_at == NOW + HOUR
    assert planned(evidence(old, orders=[wrong])).next_at == hands_over_at(old.not_before, old.not_after)


# Wishes


def wishing(*chains: ChainRecord, orders=(), replaced: tuple[ChainRecord, ...]) -> Evidence:
    wish = frozenset(each.id for each in replaced)
    return evidence(*chains, orders=orders, reissues={WANTED.request.id: wish})


def test_a_chain_that_a_person_wants_another_one_for_is_replaced_whenever_it_was_made():
    for made_at in (NOW - DAY, NOW, NOW + YEARS, None):
        old = toy("aa", WANTED, created_at=made_at)
        assert obtained(wishing(old, replaced=(old,))) == ["toy"]


def test_one_that_was_made_since_is_not_whenever_that_was():
    old = toy("aa", WANTED, since=NOW - 2 * DAY, created_at=NOW - 2 * DAY)
    for made_at in (NOW - YEARS, NOW - DAY, NOW + YEARS):
        new = toy("bb", WANTED, created_at=made_at)
        assert obtained(wishing(old, new, replaced=(old,))) == []


def test_where_the_higher_rung_has_failed_the_wish_goes_on_below():
    above, below = toy("aa", WANTED), local("bb", WANTED)
    tried = failed(WANTED, retry_at=NOW + HOUR, tried_at=NOW)
    waiting = wishing(above, below, orders=[tried], replaced=(above, below))
    assert obtained(waiting) == ["local"]
    kept_ready = local("cc", WANTED, since=NOW)
    assert obtained(wishing(above, below, kept_ready, orders=[tried], replaced=(above,))) == []
    assert obtained(wishing(above, below, kept_ready, orders=[tried], replaced=(above,)), NOW + HOUR) == ["toy"]


def test_an_order_knows_which_sources_are_above_its_own():
    made = planned(evidence())
    assert {each.source: each.above for each in the(Obtain, made)} == {
        "toy": frozenset({"uploaded"}),
        "local": frozenset({"uploaded", "toy"}),
    }
