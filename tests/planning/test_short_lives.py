"""Chains of 160 hours: a CA that is away for two days in the middle of one is survived."""

from datetime import datetime, timedelta

import pytest

from agent.model.handover import hands_over_at
from agent.model.records import ChainRecord, OrderRecord, Watch
from agent.planning import Obtain, State, plan
from agent.planning.retries import before_deadlines
from agent.sources.acme.problems import next_try
from agent.sources.acme.renewal_info import renewal_due
from support.cas.certificates import NOW
from support.fakes.ladder import evidence, failed, need, toy

HOUR = timedelta(hours=1)
LIFE = 160 * HOUR
OUTAGE = 48 * HOUR
WANTED = need()


def renewed(chain: ChainRecord, away_from: datetime) -> tuple[datetime, int]:
    """Return when a new chain comes, and how many tries have failed before."""
    now, orders, attempts = chain.not_before, list[OrderRecord](), 0
    while now < chain.not_after:
        known = State(evidence(chain, orders=orders), deployments={}, live_chains={}, refusals=(), endpoints=())
        made = plan(now, (), [WANTED], known)
        asked = [each for each in made.actions if isinstance(each, Obtain) and each.source == "toy"]
        if not asked:
            assert made.next_at is not None
            assert made.next_at > now
            now = made.next_at
        elif away_from <= now < away_from + OUTAGE:
            retry_at = before_deadlines(next_try(attempts, now), now, asked[0].deadlines, None)
            attempts += 1
            orders = [failed(WANTED, retry_at=retry_at, tried_at=now)]
            now = retry_at
        else:
            return now, attempts
    raise AssertionError(f"no chain came in time, after {attempts} tries")


@pytest.mark.parametrize("hours", [0, 40, 70, 79, 80, 90, 110])
def test_a_ca_that_is_away_for_two_days_costs_no_service(hours: int):
    chain = toy("aa", WANTED, since=NOW, days=LIFE.total_seconds() / 86400)
    at, attempts = renewed(chain, NOW + hours * HOUR)
    assert at < hands_over_at(chain.not_before, chain.not_after), "the local chain isn't needed"
    assert at >= NOW + LIFE / 2
    assert attempts <= 8, "a CA that is away isn't asked all the time"


def test_a_chain_of_160_hours_is_renewed_at_half_its_life_unless_the_ca_suggests_otherwise():
    chain = toy("aa", WANTED, since=NOW, days=LIFE.total_seconds() / 86400)
    assert timedelta() <= NOW + LIFE / 2 - renewal_due(chain, None, NOW).at <= LIFE * 0.02
    suggested = Watch(chain=chain.id, renew_at=NOW + 70 * HOUR)
    assert renewal_due(chain, suggested, NOW).at == NOW + 70 * HOUR
    late = Watch(chain=chain.id, renew_at=NOW + 150 * HOUR)
    assert renewal_due(chain, late, NOW).at == NOW + LIFE * 3 / 4, "a suggestion that leaves no time isn't waited for"
