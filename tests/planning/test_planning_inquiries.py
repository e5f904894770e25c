"""Which bound chains are to be asked about, and when; and what planning makes of what is known of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar

import pytest

from agent.model.need import Need
from agent.model.records import ChainRecord, Watch
from agent.planning import Inquire, Obtain, Plan, State, describe, plan, plan_json
from agent.planning.evidence import Evidence, state_of
from support.fakes.ladder import DAY, LOCAL, NOW, UPLOADED, Toy, evidence, failed, local, need, toy, upload

HOUR = timedelta(hours=1)
WANTED = need()


class Watching(Toy):
    """A source whose CA says more of its chains."""

    watches: ClassVar[bool] = True


LADDER = (UPLOADED, Watching(), LOCAL)


def known(*chains: ChainRecord, watches: tuple[Watch, ...] = (), ladder=LADDER, **more) -> Evidence:
    found = evidence(*chains, ladder=ladder, **more)
    return replace(found, watches={watch.chain: watch for watch in watches})


def planned(found: Evidence, now: datetime = NOW, needs: tuple[Need, ...] = (WANTED,)) -> Plan:
    return plan(now, [], needs, State(found, {}, {}, (), ()))


def inquiries(found: Evidence, now: datetime = NOW, needs: tuple[Need, ...] = (WANTED,)) -> list[Inquire]:
    return [action for action in planned(found, now, needs).actions if isinstance(action, Inquire)]


@pytest.mark.parametrize(
    ("days", "wait"), [(90, timedelta(hours=6)), (5, timedelta(hours=6)), (1, timedelta(hours=1.2))]
)
def test_a_chain_is_first_asked_about_after_six_hours_or_a_twentieth_of_its_lifetime(days: float, wait: timedelta):
    fresh = toy("aa", WANTED, since=NOW, days=days, created_at=NOW)
    assert inquiries(known(fresh), NOW + wait - timedelta(seconds=1)) == []
    assert planned(known(fresh)).next_at <= NOW + wait
    [action] = inquiries(known(fresh), NOW + wait)
    assert action == Inquire(fresh.id, "toy", "nobody has asked yet", fresh.names, renewal=True, revocation=False)


def test_an_uploaded_chain_with_a_list_of_revoked_ones_is_looked_up_at_once():
    bought = replace(upload("bb"), crl=True, created_at=NOW)
    [action] = inquiries(known(bought))
    assert (action.source, action.renewal, action.revocation) == ("uploaded", False, True)


def test_chains_of_which_there_is_nothing_to_ask_are_left_alone():
    assert inquiries(known(upload("bb"))) == []
    assert inquiries(known(toy("aa", WANTED, created_at=NOW - DAY), ladder=(UPLOADED, Toy(), LOCAL))) == []


def test_what_the_own_root_signed_is_left_alone():
    assert inquiries(known(replace(local("cc", WANTED), crl=True, created_at=NOW - DAY))) == []


def test_only_chains_that_needs_are_bound_to_are_asked_about():
    bought = upload("bb")
    other = toy("aa", WANTED, created_at=NOW - DAY)
    assert inquiries(known(bought, other)) == []


def test_two_needs_with_one_chain_ask_once():
    chain = toy("aa", WANTED, created_at=NOW - DAY)
    both = (WANTED, need(slot="second"))
    assert len(inquiries(known(chain), needs=both)) == 1


@pytest.mark.parametrize(
    ("next_at", "crl_at", "expected"),
    [
        (NOW, NOW, (True, True)),
        (NOW, NOW + HOUR, (True, False)),
        (NOW + HOUR, NOW - HOUR, (False, True)),
        (None, NOW, (False, True)),
        (NOW + HOUR, None, None),
        (None, None, None),
    ],
)
def test_each_thing_is_asked_when_its_own_time_has_come(next_at, crl_at, expected):
    chain = replace(toy("aa", WANTED, created_at=NOW - 60 * DAY, since=NOW - 2 * DAY), crl=True)
    found = inquiries(known(chain, watches=(Watch(chain=chain.id, next_at=next_at, crl_at=crl_at),)))
    assert [(each.renewal, each.revocation) for each in found] == ([expected] if expected else [])
    assert all(each.reason == "it has been a while" for each in found)


def test_the_next_inquiry_is_an_instant_at_which_there_is_something_to_do():
    chain = toy("aa", WANTED, created_at=NOW - DAY)
    found = known(chain, watches=(Watch(chain=chain.id, next_at=NOW + HOUR),))
    assert planned(found).next_at == NOW + HOUR


def test_an_inquiry_is_described():
    chain = toy("aa", WANTED, created_at=NOW - DAY)
    made = planned(known(chain))
    [action] = [each for each in made.actions if isinstance(each, Inquire)]
    assert describe(action) == "ask what the CA says of the chain for www.chain.dev: nobody has asked yet"
    assert plan_json(made)["actions"] == [
        {
            "action": "inquire",
            "reason": "nobody has asked yet",
            "source": "toy",
            "names": ["www.chain.dev"],
            "chain": chain.id,
        }
    ]


def test_a_source_sees_what_its_ca_says_of_its_chain():
    chain = toy("aa", WANTED, created_at=NOW - DAY)
    watch = Watch(chain=chain.id, next_at=NOW + HOUR, renew_at=NOW + DAY)
    found = known(chain, watches=(watch,))
    seen = state_of(WANTED, LADDER[1], found, chain.id, NOW)
    assert seen.watch == watch
    assert state_of(WANTED, LOCAL, found, chain.id, NOW).watch is None


# Insisting


def obtains(found: Evidence) -> dict[str, bool]:
    return {action.source: action.forced for action in planned(found).actions if isinstance(action, Obtain)}


def forcing(found: Evidence) -> Evidence:
    return replace(
        found,
        reissues={WANTED.request.id: frozenset(each.id for each in found.chains)},
        forced=frozenset({WANTED.request.id}),
    )


def test_a_person_who_insists_is_heeded_at_the_first_try_only():
    old = toy("aa", WANTED, created_at=NOW - DAY)
    assert obtains(forcing(known(old))) == {"toy": True}
    tried = failed(WANTED, Watching(), retry_at=NOW)
    assert obtains(forcing(known(old, orders=[tried])))["toy"] is False


def test_a_person_who_insists_is_heeded_where_there_is_no_chain_yet():
    assert obtains(forcing(known(local("cc", WANTED))))["toy"] is True
    assert obtains(known(local("cc", WANTED)))["toy"] is False
