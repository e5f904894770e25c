"""What is planned while the machine's clock isn't believed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.model.deployment import Deployment
from agent.planning import AskTheTime, ClockDoubt, Declared, Inquire, MakeRoot, Obtain, State, describe, plan
from support.fakes.ladder import DAY, LOCAL, NOW, TOY, evidence, failed, local, need, toy

HOUR = timedelta(hours=1)
SITE = need(module="web")


def planned(*chains, doubt=ClockDoubt(), now=NOW, **known):  # noqa: B008 - frozen
    deployments: dict[str, Deployment] = {}
    state = State(evidence(*chains, **known), deployments, {}, (), (), doubt=doubt)
    return plan(now, [Declared("web", "settings")], [SITE], state)


def asked(made):
    return [each.source for each in made.actions if isinstance(each, Obtain)]


def test_a_source_that_needs_the_network_is_not_asked_and_a_local_chain_is_made():
    assert asked(planned(doubt=None)) == [TOY.name, LOCAL.name]
    assert asked(planned()) == [LOCAL.name]


def test_a_renewal_that_is_due_waits():
    ends = toy("a", SITE, days=90, since=NOW - 80 * DAY)
    assert asked(planned(ends, doubt=None)) == [TOY.name]
    assert asked(planned(ends)) == []


def test_a_local_chain_is_renewed_all_the_same():
    ends = local("a", SITE, since=NOW - 80 * DAY)
    assert LOCAL.name in asked(planned(ends, orders=[failed(SITE, TOY, retry_at=NOW + HOUR)]))


def test_nothing_is_inquired():
    chain = toy("a", SITE, days=90, since=NOW - 30 * DAY, crl=True)
    assert any(isinstance(each, Inquire) for each in planned(chain, doubt=None).actions)
    assert not any(isinstance(each, Inquire) for each in planned(chain).actions)


def test_a_root_is_made_only_where_a_need_has_no_chain():
    assert any(isinstance(each, MakeRoot) for each in planned(root=None).actions)
    public = toy("a", SITE, days=90, since=NOW - 10 * DAY)
    made = planned(public, root=None, orders=[failed(SITE, TOY, retry_at=NOW + HOUR)])
    assert [each for each in made.actions if isinstance(each, MakeRoot | Obtain)] == []


@pytest.mark.parametrize(("at", "due"), [(NOW, True), (NOW + HOUR, False), (None, False)])
def test_cas_are_asked_for_the_time_when_that_is_due(at, due):
    made = planned(doubt=ClockDoubt(at))
    assert [describe(each) for each in made.actions if isinstance(each, AskTheTime)] == [
        "ask the CAs what time it is: the machine's clock isn't believed"
    ] * due
    if at and not due:
        assert made.next_at == at
