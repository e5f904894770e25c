"""Findings about chains that end soon: what hands over early, and what nothing can take the place of."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from agent.errors.problem import Problem
from agent.health.assessment import Health, health
from agent.health.snapshot import Snapshot
from agent.health.states import Status
from agent.model.binding import Binding, LadderPosition
from agent.model.deployment import Deployment, Outcome
from agent.model.handover import hands_over_at
from agent.model.pin import Pin
from agent.store.modules import ModuleRecord
from support.fakes.ladder import DAY, LOCAL, NOW, failed, local, need, record, toy, upload

HOUR = timedelta(hours=1)
MAIL = ModuleRecord("mail", "mail", "Mail", enabled=True, services=(), problem=None)
WWW = need()
TOY = toy("toy", WWW, since=NOW - 88 * DAY)
OWN = local("local", WWW)


def bound(chain, *others, standing=LadderPosition.WANTED, **more) -> Snapshot:
    """Return a store in which one chain is bound and in service."""
    values = {
        "chains": (chain, *others),
        "modules": (MAIL,),
        "needs": (WWW,),
        "bindings": (Binding("mail", "default", chain.id, "", standing),),
        "deployments": {"mail": Deployment("mail", 1, Outcome.LIVE, at=NOW)},
        "live": {"mail": {"default": chain.id}},
        "next_at": NOW + HOUR,
    }
    return Snapshot(**(values | more))


def told(found: Health) -> list[tuple[str, str, str]]:
    return [(str(each.kind), str(each.severity), each.problem.cause) for each in found.findings]


def test_what_ends_soon_and_has_no_successor_is_an_error_that_says_why_not():
    why = (failed(WWW), failed(WWW, LOCAL, retry_at=NOW + HOUR, cause="The root has ended."))
    found = health(bound(TOY, orders=why), NOW)
    assert found.chains[0].status is Status.ENDING
    assert found.degraded
    (only,) = found.findings
    assert (str(only.severity), only.problem) == (
        "error",
        Problem(
            "status.ends_soon",
            "It ends at 2026-11-03T12:00:00Z, and nothing else can be had in its place: "
            "toy: The CA is away, not tried again before its settings change; local: The root has ended.",
            fix="Try it now: chainwright apply",
            retry_at=NOW + HOUR,
        ),
    )


def test_a_local_chain_that_stands_in_and_can_not_be_renewed_is_told_of_too():
    own = local("local", WWW, since=NOW - 88 * DAY)
    orders = (failed(WWW, retry_at=NOW + DAY), failed(WWW, LOCAL, retry_at=NOW + HOUR, cause="The disk is full."))
    found = health(bound(own, standing=LadderPosition.FALLBACK, orders=orders), NOW)
    assert found.chains[0].status is Status.ENDING
    assert "local: The disk is full; toy: The CA is away." in found.findings[0].problem.cause


def test_while_it_has_not_failed_the_order_of_a_chain_that_ends_soon_is_no_alarm():
    asked = bound(TOY, leased=frozenset({(WWW.request.id, "toy")}))
    found = health(asked, NOW)
    assert (found.chains[0].status, found.degraded) == (Status.ISSUING, False)
    failed_before = health(replace(asked, orders=(failed(WWW, retry_at=NOW),)), NOW)
    assert failed_before.chains[0].status is Status.ENDING


def test_the_instant_of_the_hand_over_is_no_alarm_unless_no_pass_comes():
    over = hands_over_at(TOY.not_before, TOY.not_after)
    due = bound(TOY, next_at=over)
    assert health(due, over).findings == ()
    late = health(due, over + 2 * HOUR)
    assert late.chains[0].status is Status.ENDING
    assert {each.problem.code for each in late.findings} == {"status.ends_soon", "status.late"}


@pytest.mark.parametrize("life", [timedelta(hours=1), 6 * HOUR, DAY, 160 * HOUR, 45 * DAY, 90 * DAY, 397 * DAY])
def test_no_life_is_so_short_that_a_renewal_which_is_due_is_an_alarm(life: timedelta):
    chain = record("toy", "toy", made_for=WWW, since=NOW, days=life / DAY)
    for share in (0.01, 0.3, 0.5, 0.52):
        at = NOW + life * share
        snapshot = bound(chain, renewals={chain.id: NOW + life / 2}, next_at=at + HOUR)
        assert not health(snapshot, at).degraded
    mine = upload("ab01", since=NOW, days=life / DAY)
    for share, degraded in ((0.01, False), (0.5, False), (0.7, False), (0.97, True)):
        at = NOW + life * share
        assert health(bound(mine, next_at=at + HOUR), at).degraded is degraded


def test_time_alone_changes_what_is_found_at_the_hand_over():
    early = TOY.not_before + 80 * DAY
    assert health(bound(TOY), early).changes_at == hands_over_at(TOY.not_before, TOY.not_after)


def test_a_local_chain_that_serves_early_says_in_place_of_what():
    snapshot = bound(OWN, TOY, standing=LadderPosition.FALLBACK, orders=(failed(WWW, retry_at=NOW + HOUR),))
    (found,) = health(snapshot, NOW).findings
    assert found.problem.effect == (
        "The local chain is served meanwhile, as the one of toy ends at 2026-11-03T12:00:00Z: clients must trust the root."
    )
    assert [each.status for each in health(snapshot, NOW).chains] == [Status.LOCAL_FALLBACK, Status.UNUSED]


def test_an_upload_that_has_given_way_is_told_until_it_ends_and_afterwards():
    mine = upload("ab01", since=NOW - 88 * DAY)
    snapshot = bound(OWN, mine, standing=LadderPosition.BY_DESIGN)
    assert told(health(snapshot, NOW)) == [
        (
            "upload",
            "warning",
            "The uploaded chain ends at 2026-11-03T12:00:00Z, which is soon: another source serves its names already.",
        )
    ]
    ((_, severity, cause),) = told(health(replace(snapshot, next_at=None), mine.not_after))
    assert (severity, cause[:28]) == ("warning", "The uploaded chain ended at ")


def test_an_upload_that_gave_way_to_the_next_upload_is_not_told_of():
    old, new = upload("ab01", since=NOW - 88 * DAY), upload("new")
    assert health(bound(new, old), NOW).findings == ()


def test_a_pin_that_gives_way_is_said():
    mine = upload("ab01", since=NOW - 88 * DAY)
    pin = Pin("mail", "default", mine.id, "ann", NOW - DAY)
    causes = [cause for _, _, cause in told(health(bound(OWN, mine, pins=(pin,)), NOW))]
    assert (
        f"The chain {mine.id[:12]} that is pinned for mail/default can't serve: it ends at 2026-11-03T12:00:00Z, "
        "which is too soon." in causes
    )
    assert not [each for _, _, each in told(health(bound(mine, pins=(pin,)), NOW)) if "pinned" in each]


def test_a_chain_that_has_ended_is_not_said_to_end_soon():
    late = datetime.max.replace(tzinfo=NOW.tzinfo) - DAY
    assert health(bound(TOY, next_at=None), late).chains[0].status is Status.EXPIRED
