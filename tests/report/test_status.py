"""The status is a pure function of what the store knows: each word, its reason, and the exact form as JSON."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from agent.contract.source import OrderRecord
from agent.errors.problem import Problem
from agent.health.states import URGENCY, severity_of
from agent.model.binding import Binding, LadderPosition
from agent.model.deployment import Deployment, EndpointRecord, Outcome, Refusal, RefusedKind
from agent.model.records import ChainRecord
from agent.model.root import RootRecord
from agent.report import Snapshot, Status, report
from agent.report.rows import Progress
from agent.store.modules import ModuleRecord
from support.fakes.ladder import DAY, NOW, ROOT, local, need, record, toy, upload

WWW = need()
LOCAL = local("10ca1", WWW)
TOY = toy("70e", WWW)
SOON = NOW + timedelta(minutes=10)
BUSY = Problem("source.busy", "The CA is busy.", "toy", "Wait.", retry_at=SOON)
LOCAL_MEANWHILE = replace(BUSY, effect="The local chain is served meanwhile: clients must trust the root.")
PRESENT_MEANWHILE = replace(BUSY, effect="The present chain stays in service meanwhile.")
REFUSED = Problem("deploy.check_refused", "The test refused it.", "mail", "Correct it.")
DOWN = Problem("deploy.service_down", "It does not run.", "mail", "Start it.")
MODULE = ModuleRecord("mail", "mail", "Mail", enabled=True, services=(), problem=None)


def binding(chain, standing: LadderPosition = LadderPosition.WANTED, reason: str = "toy", made_for=WWW) -> Binding:
    return Binding(made_for.module, made_for.slot, chain.id if chain else None, reason, standing)


def endpoint(chain, *, ok: bool = True, problem: Problem | None = None) -> EndpointRecord:
    return EndpointRecord(
        "mail", "0", "default", "127.0.0.1:25", "www.chain.dev", chain.id, chain.id, ok, problem, NOW, NOW + DAY
    )


def order(*, permanent: bool = False, source: str = "toy", problem: Problem = BUSY, attempts: int = 2) -> OrderRecord:
    return OrderRecord(
        request=WWW.request.id,
        source=source,
        attempts=attempts,
        retry_at=None if permanent else SOON,
        problem=problem.to_json(),
        permanent=permanent,
    )


def deployed(outcome: Outcome = Outcome.LIVE, problem: Problem | None = None) -> dict[str, Deployment]:
    return {"mail": Deployment("mail", 3, outcome, "", problem, "", NOW)}


def snapshot(bound=TOY, standing: LadderPosition = LadderPosition.WANTED, *, serves="bound", **more) -> Snapshot:
    """Return a store in which all is well, but for what a test says."""
    in_service = bound if serves == "bound" else serves
    chains = {each.id: each for each in (bound, in_service, *more.pop("also", ())) if each is not None}
    values = {
        "chains": tuple(chains.values()),
        "modules": (MODULE,),
        "needs": (WWW,),
        "bindings": (binding(bound, standing),),
        "deployments": deployed(),
        "live": {"mail": {"default": in_service.id}} if in_service else {},
        "endpoints": (endpoint(in_service),) if in_service else (),
    }
    return Snapshot(**(values | more))


def row(found: Snapshot, chain=TOY, now=NOW):
    return next(each for each in report(found, now).chains if each.id == chain.id)


CASES = {
    "a wanted chain that is served": (snapshot(), TOY, Status.VALID, None),
    "a local chain where no higher source can serve the names": (
        snapshot(LOCAL, LadderPosition.BY_DESIGN),
        LOCAL,
        Status.LOCAL_BY_DESIGN,
        None,
    ),
    "a local chain while a source fails": (
        snapshot(LOCAL, LadderPosition.FALLBACK, orders=(order(),)),
        LOCAL,
        Status.LOCAL_FALLBACK,
        LOCAL_MEANWHILE,
    ),
    "a local chain before a source was asked": (
        snapshot(LOCAL, LadderPosition.FALLBACK),
        LOCAL,
        Status.LOCAL_FALLBACK,
        None,
    ),
    "a local chain while a source is being asked": (
        snapshot(LOCAL, LadderPosition.FALLBACK, orders=(order(),), leased=frozenset({(WWW.request.id, "toy")})),
        LOCAL,
        Status.ISSUING,
        None,
    ),
    "a local chain after a source has refused for good": (
        snapshot(LOCAL, LadderPosition.FALLBACK, orders=(order(permanent=True),)),
        LOCAL,
        Status.FAILED,
        LOCAL_MEANWHILE,
    ),
    "a chain whose renewal was refused for good": (
        snapshot(orders=(order(permanent=True),)),
        TOY,
        Status.FAILED,
        PRESENT_MEANWHILE,
    ),
    "a chain whose reissue failed and is tried again": (
        snapshot(orders=(order(),)),
        TOY,
        Status.VALID,
        PRESENT_MEANWHILE,
    ),
    "the failure of a source that is no longer above it": (
        snapshot(LOCAL, LadderPosition.BY_DESIGN, orders=(order(permanent=True),)),
        LOCAL,
        Status.LOCAL_BY_DESIGN,
        None,
    ),
    "a renewal that is a little late": (snapshot(renewals={TOY.id: NOW - 4 * DAY}), TOY, Status.VALID, None),
    "a chain that was revoked": (
        snapshot(replace(TOY, revoked_at=NOW)),
        TOY,
        Status.FAILED,
        Problem(
            "status.revoked",
            "It was revoked at 2026-11-01T12:00:00Z: clients may refuse it.",
            fix="Try it now: chainwright apply",
        ),
    ),
    "a chain that nothing is bound to": (snapshot(also=(LOCAL,)), LOCAL, Status.UNUSED, None),
    "a chain that a service refused": (
        snapshot(
            serves=LOCAL,
            refusals=(Refusal("mail", "default", RefusedKind.CHAIN, TOY.id, REFUSED, attempts=1, retry_at=SOON),),
        ),
        TOY,
        Status.NOT_DEPLOYED,
        REFUSED,
    ),
    "a service that is not running": (snapshot(deployments=deployed(Outcome.WAITING, DOWN)), TOY, Status.WAITING, DOWN),
    "a module that is broken": (snapshot(deployments=deployed(Outcome.BROKEN, DOWN)), TOY, Status.NOT_DEPLOYED, DOWN),
    "another chain on the wire": (
        snapshot(endpoints=(endpoint(TOY, ok=False, problem=REFUSED),)),
        TOY,
        Status.NOT_DEPLOYED,
        REFUSED,
    ),
    "a window that is not open yet": (
        snapshot(serves=LOCAL, deferred={"mail": SOON}),
        TOY,
        Status.WAITING,
        Problem(
            "status.window",
            "mail takes what is new into service at 2026-11-01T12:10:00Z, when its activation window opens.",
            "mail",
            "Don't wait: chainwright apply --now",
            "What was there before stays in service until then.",
            SOON,
        ),
    ),
    "a module that was never given it": (
        snapshot(serves=None, deployments={}),
        TOY,
        Status.NOT_DEPLOYED,
        Problem("status.not_deployed", "mail was not given this chain yet.", "mail", "Try it now: chainwright apply"),
    ),
    "a part of a module that was rolled back for another part": (
        snapshot(deployments=deployed(Outcome.ROLLED_BACK, REFUSED)),
        TOY,
        Status.VALID,
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_word_has_its_cause(case):
    found, chain, status, problem = CASES[case]
    assert (row(found, chain).status, row(found, chain).problem) == (status, problem)


def test_a_chain_past_its_end_has_expired_whatever_else_is_wrong():
    found = snapshot(orders=(order(permanent=True),), deployments=deployed(Outcome.BROKEN, DOWN))
    expired = row(found, now=TOY.not_after)
    assert expired.status is Status.EXPIRED
    assert expired.problem
    assert expired.problem.cause == "It expired at 2027-01-29T12:00:00Z: clients refuse it."


def test_a_chain_that_is_not_used_may_expire_in_peace():
    assert row(snapshot(also=(LOCAL,)), LOCAL, now=LOCAL.not_after).status is Status.UNUSED


def test_what_failed_at_a_ca_that_stands_in_matters_once_the_chain_is_due():
    late, groups = NOW - timedelta(days=5), {"toy": "acme", "first": "acme"}
    failed = replace(order(), source="first", permanent=True)
    assert (
        row(snapshot(renewals={TOY.id: NOW + timedelta(days=1)}, orders=(failed,), groups=groups)).status
        is Status.VALID
    )
    assert row(snapshot(renewals={TOY.id: late}, orders=(failed,), groups=groups)).status is Status.FAILED
    assert row(snapshot(renewals={TOY.id: late}, orders=(failed,))).status is Status.OVERDUE


def test_a_renewal_is_overdue_after_a_twentieth_of_the_lifetime_and_says_what_stood_in_the_way():
    at = NOW - timedelta(days=4.5)
    assert row(snapshot(renewals={TOY.id: at})).status is Status.VALID
    late = snapshot(renewals={TOY.id: at - timedelta(seconds=1)}, orders=(order(),))
    assert row(late).status is Status.OVERDUE
    assert row(late).problem == Problem(
        "status.overdue",
        "It should have been renewed at 2026-10-27T23:59:59Z; 2 tries failed: The CA is busy.",
        "toy",
        "Wait.",
        retry_at=SOON,
    )


def test_an_overdue_renewal_that_nobody_tried_says_so_too():
    found = row(snapshot(renewals={TOY.id: NOW - 10 * DAY}))
    assert found.problem
    assert found.problem.cause == "It should have been renewed at 2026-10-22T12:00:00Z."


def test_the_worse_of_two_uses_is_the_label():
    other = need(module="proxy")
    found = snapshot(
        needs=(WWW, other),
        bindings=(binding(TOY), binding(TOY, made_for=other)),
        deployments={**deployed(), "proxy": Deployment("proxy", 1, Outcome.BROKEN, "", DOWN, "", NOW)},
        live={"mail": {"default": TOY.id}, "proxy": {"default": TOY.id}},
    )
    assert row(found).status is Status.NOT_DEPLOYED
    assert [(use.module, use.deployment) for use in row(found).used_by] == [("mail", "live"), ("proxy", "broken")]


def test_the_chain_that_stands_in_for_a_refused_one_has_its_row_in_used_by():
    refusal = Refusal("mail", "default", RefusedKind.CHAIN, TOY.id, REFUSED, attempts=1, retry_at=SOON)
    found = snapshot(serves=LOCAL, refusals=(refusal,))
    assert row(found).used_by[0].deployment == "refused"
    stand_in = row(found, LOCAL)
    assert (stand_in.status, stand_in.problem) == (Status.LOCAL_FALLBACK, None)
    assert stand_in.used_by[0].reason == f"in service until {TOY.id[:12]} is"


def test_a_local_chain_that_serves_until_a_window_opens_needs_nobody():
    found = snapshot(serves=LOCAL, deferred={"mail": SOON})
    assert (row(found, LOCAL).status, report(found, NOW).degraded) == (Status.VALID, False)


def test_what_is_being_asked_for_is_told_with_its_last_step_and_its_beginning():
    key = (WWW.request.id, "toy")
    progress = {key: Progress("toy", "looking at DNS", NOW - DAY)}
    found = snapshot(LOCAL, LadderPosition.FALLBACK, leased=frozenset({key}), progress=progress)
    assert row(found, LOCAL).progress == progress[key]
    assert row(snapshot(LOCAL, LadderPosition.FALLBACK, progress=progress), LOCAL).progress is None


def test_a_ca_that_everybody_knows_is_named_beside_its_table():
    known = replace(TOY, source="second", origin="https://acme.zerossl.com/v2/DV90")
    shown = row(snapshot(known, serves=known), known)
    assert (shown.authority, shown.came_from) == ("ZeroSSL", "second (ZeroSSL)")
    other = row(snapshot())
    assert (other.authority, other.came_from) == ("", "toy")


def test_an_older_chain_of_the_same_source_that_stands_in_is_as_good_as_any():
    older = toy("01de5", WWW, since=NOW - 30 * DAY)
    refusal = Refusal("mail", "default", RefusedKind.CHAIN, TOY.id, REFUSED, attempts=1, retry_at=SOON)
    found = snapshot(serves=older, refusals=(refusal,), deployments=deployed(Outcome.ROLLED_BACK, REFUSED))
    assert row(found, older).status is Status.VALID
    assert row(found).used_by[0].deployment == "rolled_back"


def test_the_next_action_is_the_renewal_or_the_next_try():
    renewal = NOW + 30 * DAY
    assert row(snapshot(renewals={TOY.id: renewal})).next_action_at == renewal
    fallback = snapshot(LOCAL, LadderPosition.FALLBACK, renewals={LOCAL.id: renewal}, orders=(order(),))
    assert row(fallback, LOCAL).next_action_at == SOON
    refusal = Refusal("mail", "default", RefusedKind.CHAIN, TOY.id, REFUSED, attempts=1, retry_at=SOON)
    assert row(snapshot(serves=LOCAL, renewals={TOY.id: renewal}, refusals=(refusal,))).next_action_at == SOON
    assert row(snapshot()).next_action_at is None


def test_a_need_without_a_chain_says_why():
    found = report(snapshot(None, LadderPosition.MISSING, serves=None, orders=(order(),)), NOW)
    assert (found.needs[0].chain, found.needs[0].problem) == (None, BUSY)
    unasked = snapshot(
        None, serves=None, bindings=(binding(None, LadderPosition.MISSING, "no chain yet: toy: it is being asked"),)
    )
    assert report(unasked, NOW).needs[0].problem == Problem(
        "status.no_chain",
        "No chain yet: toy: it is being asked.",
        "mail/default",
        "See why: chainwright explain mail default",
    )
    assert report(unasked, NOW).degraded


@pytest.mark.parametrize(
    ("more", "state", "problem"),
    [
        ({}, "ok", None),
        ({"deployments": {}}, "new", None),
        ({"modules": (replace(MODULE, enabled=False),)}, "disabled", None),
        ({"modules": (replace(MODULE, problem=BUSY),)}, "failed", BUSY),
        ({"deployments": deployed(Outcome.WAITING, DOWN)}, "waiting", DOWN),
        ({"deployments": deployed(Outcome.ROLLED_BACK, REFUSED)}, "rolled_back", REFUSED),
        ({"deployments": deployed(Outcome.BROKEN, DOWN)}, "broken", DOWN),
        ({"deployments": deployed(Outcome.REFUSED, REFUSED)}, "refused", REFUSED),
        ({"refusals": (Refusal("mail", "", RefusedKind.CONFIGURATION, "c0", REFUSED, 1, SOON),)}, "refused", REFUSED),
        ({"endpoints": (endpoint(TOY, ok=False, problem=DOWN),)}, "broken", DOWN),
    ],
)
def test_each_module_has_a_state(more, state, problem):
    module = report(snapshot(**more), NOW).modules[0]
    assert (str(module.state), module.problem) == (state, problem)


def test_what_needs_attention_is_named_once():
    refused = snapshot(deployments=deployed(Outcome.BROKEN, DOWN))
    assert report(refused, NOW).attention == ["www.chain.dev"]
    settings = snapshot(refusals=(Refusal("mail", "", RefusedKind.CONFIGURATION, "c0", REFUSED, 1, SOON),))
    assert report(settings, NOW).attention == ["mail"]
    assert report(snapshot(), NOW).attention == []


def test_two_chains_for_the_same_names_are_two_things_that_need_attention():
    second = replace(binding(LOCAL), slot="second")
    dead = endpoint(TOY, ok=False, problem=DOWN), replace(endpoint(LOCAL, ok=False, problem=DOWN), slot="second")
    found = snapshot(
        also=(LOCAL,),
        needs=(WWW, replace(WWW, slot="second")),
        bindings=(binding(TOY), second),
        live={"mail": {"default": TOY.id, "second": LOCAL.id}},
        endpoints=dead,
    )
    assert report(found, NOW).attention == ["www.chain.dev", "www.chain.dev"]
    assert report(found, NOW).summary["attention"] == report(found, NOW).summary["not_deployed"] == 2


def test_a_service_that_is_not_running_is_shown_but_degrades_nothing():
    found = report(snapshot(deployments=deployed(Outcome.WAITING, DOWN)), NOW)
    assert found.chains[0].status is Status.WAITING
    assert not found.degraded


def test_rows_stand_in_order_of_urgency_then_of_their_end():
    late = need(slot="late")
    chains = [
        toy("a1", WWW),
        toy("b2", WWW, days=30),
        local("c3", late),
        record("d4", "local", made_for=WWW, days=10),
    ]
    needs = [WWW, need(slot="two"), late]
    bindings = tuple(
        Binding("mail", each.slot, chain.id, "", standing)
        for each, chain, standing in zip(
            needs, chains, [LadderPosition.WANTED, LadderPosition.WANTED, LadderPosition.FALLBACK], strict=False
        )
    )
    live = {"mail": {each.slot: chain.id for each, chain in zip(needs, chains, strict=False)}}
    found = report(snapshot(also=chains, needs=tuple(needs), bindings=bindings, live=live), NOW)
    assert [each.id[:2] for each in found.chains if each.id != TOY.id] == ["c3", "b2", "a1", "d4"]


def test_every_status_has_a_place_in_the_order_and_the_degraded_ones_come_first():
    assert sorted(URGENCY) == sorted(Status)
    degraded = [severity_of(status).degrades for status in URGENCY]
    assert degraded == sorted(degraded, reverse=True)


def chain_json(chain: ChainRecord, source: str, next_action_at: str | None, used_by: dict) -> dict:
    """Return the whole row of a valid chain."""
    return {
        "id": chain.id,
        "names": list(chain.names),
        "source": source,
        "issuer": "Toy CA",
        "serial": "1",
        "not_before": "2026-10-31T12:00:00Z",
        "not_after": "2027-01-29T12:00:00Z",
        "key_type": "ecdsa-p256",
        "sha256": chain.id,
        "status": "valid",
        "problem": None,
        "next_action_at": next_action_at,
        "used_by": [{"module": "mail", "deployment": "live", **used_by}],
        "progress": None,
        "authority": "",
    }


def test_the_form_as_json_is_exactly_this():
    bought = upload("ab01", "bought.chain.dev", since=NOW - DAY)
    also = need("bought.chain.dev", slot="also")
    why = "uploaded, covers bought.chain.dev"
    found = snapshot(
        root=RootRecord(ROOT, "gw Root CA", NOW - DAY, NOW + 3650 * DAY, "", NOW, None),
        also=(bought,),
        needs=(WWW, also),
        bindings=(binding(TOY), Binding("mail", "also", bought.id, why, LadderPosition.WANTED)),
        live={"mail": {"default": TOY.id, "also": bought.id}},
        renewals={TOY.id: NOW + 59 * DAY},
        next_at=SOON,
    )
    nothing = "local_by_design local_fallback warning issuing overdue failed not_deployed waiting ending expired unused attention"
    seen = {
        "address": "127.0.0.1:25",
        "server_name": "www.chain.dev",
        "served_sha256": TOY.id,
        "ok": True,
        "seen_at": "2026-11-01T12:00:00Z",
    }
    assert report(found, NOW).to_json() == {
        "schema": 1,
        "degraded": False,
        "summary": {"chains": 2, "valid": 2, **dict.fromkeys(nothing.split(), 0)},
        "now": "2026-11-01T12:00:00Z",
        "next_at": "2026-11-01T12:10:00Z",
        "owner": "root",
        "root": {"subject": "gw Root CA", "sha256": ROOT, "not_after": "2036-10-29T12:00:00Z"},
        "chains": [
            chain_json(bought, "uploaded", None, {"slot": "also", "reason": why, "endpoints": []}),
            chain_json(TOY, "toy", "2026-12-30T12:00:00Z", {"slot": "default", "reason": "toy", "endpoints": [seen]}),
        ],
        "needs": [
            {"module": "mail", "slot": "default", "names": ["www.chain.dev"], "chain": TOY.id, "problem": None},
            {"module": "mail", "slot": "also", "names": ["bought.chain.dev"], "chain": bought.id, "problem": None},
        ],
        "uploaded": [
            {
                "id": bought.id,
                "names": ["bought.chain.dev"],
                "issuer": "Toy CA",
                "not_after": "2027-01-29T12:00:00Z",
                "status": "valid",
                "used_for": ["mail/also"],
            }
        ],
        "modules": [{"name": "mail", "title": "Mail", "enabled": True, "state": "ok", "problem": None}],
        "states": [],
        "findings": [],
        "changes_at": "2026-12-30T12:00:00Z",
    }


def test_a_problem_as_json_is_the_object_that_every_error_is():
    found = report(snapshot(LOCAL, LadderPosition.FALLBACK, orders=(order(),)), NOW)
    assert found.to_json()["chains"][0]["problem"] == {
        "code": "source.busy",
        "cause": "The CA is busy.",
        "where": "toy",
        "fix": "Wait.",
        "effect": "The local chain is served meanwhile: clients must trust the root.",
        "retry_at": "2026-11-01T12:10:00Z",
        "detail": "",
    }


def test_nothing_at_all_is_a_status_too():
    found = report(Snapshot(), NOW)
    assert (found.root, found.chains, found.degraded) == (None, (), False)
