"""When own roots list what they have revoked, and sign peers again: the plan, without a store."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agent.model.pause import Pause
from agent.model.peer import LIFETIME, Peer
from agent.pki.purpose import Purpose
from agent.pki.revocation import Revocation, RevocationList, RevocationReason
from agent.planning import ListRevoked, Plan, SignAgain, State, action_json, describe, plan
from agent.planning.evidence import Evidence
from support.cas.certificates import DAY, NOW
from support.fakes.ladder import signed_by

ROOT, OLD = "aa" * 32, "bb" * 32
PEER = Peer(
    serial="5d0c",
    sha256="cd" * 32,
    module="ikev2",
    label="branch-1",
    names=("b.example.test",),
    purposes=(Purpose.SERVER, Purpose.CLIENT),
    root=ROOT,
    not_before=NOW,
    not_after=NOW + LIFETIME,
    created_at=NOW,
)


def listed(root: str = ROOT, *serials: str, pem: str = "PEM", at=NOW) -> RevocationList:
    return RevocationList(root, 1, at, at + 30 * DAY, serials, pem)


def entry(serial: str, root: str = ROOT, ends=NOW + 90 * DAY) -> Revocation:
    return Revocation(root, serial, NOW, RevocationReason.UNSPECIFIED, ends)


def made(now=NOW, *, peers=(), revocations=(), lists=None, roots=None, held_back=None) -> Plan:
    evidence = Evidence(ladder=(), chains=(), orders={}, signers=signed_by(ROOT), reissues={})
    state = State(
        evidence=evidence,
        deployments={},
        live_chains={},
        refusals=(),
        endpoints=(),
        roots=roots or {ROOT: NOW + 3650 * DAY},
        peers=tuple(peers),
        revocations=tuple(revocations),
        lists={each.root: each for each in ((listed(),) if lists is None else lists)},
        held_back=held_back or {},
    )
    return plan(now, [], [], state)


def test_a_root_without_a_list_gets_one():
    assert made(lists=()).actions == (ListRevoked(ROOT, "the root has none yet"),)


def test_every_root_whose_key_we_have_gets_one_until_it_ends():
    roots = {ROOT: NOW + 3650 * DAY, OLD: NOW + DAY}
    assert {each.root for each in made(lists=(), roots=roots).actions} == {ROOT, OLD}
    assert {each.root for each in made(NOW + DAY, lists=(), roots=roots).actions} == {ROOT}


def test_a_list_is_renewed_with_a_third_left_and_the_plan_names_that_instant():
    assert (made().actions, made().next_at) == ((), NOW + 20 * DAY)
    (action,) = made(NOW + 20 * DAY).actions
    assert describe(action) == "list what the root has revoked: its renewal has been due since 2026-11-21"
    assert action_json(action) == {"action": "list_revoked", "reason": action.reason, "root": ROOT}


def test_what_was_revoked_is_listed_at_once_by_the_root_that_signed_it():
    assert made(revocations=[entry("1")]).actions == (ListRevoked(ROOT, "a certificate was revoked"),)
    assert made(revocations=[entry("1")], lists=(listed(ROOT, "1"),)).actions == ()
    assert made(revocations=[entry("1", OLD)]).actions == ()


def test_an_end_alone_is_no_reason_for_a_new_list():
    ended = entry("1", ends=NOW - DAY)
    assert made(revocations=[ended], lists=(listed(ROOT, "1"),)).actions == ()
    assert made(revocations=[ended]).actions == ()


def test_a_list_of_the_future_is_made_anew_when_the_clock_was_set_back():
    (action,) = made(NOW - DAY).actions
    assert action.reason == "the one before is of the future"


def test_a_root_that_may_not_sign_lists_is_left_alone_until_something_is_revoked():
    empty = listed(pem="")
    assert made(NOW + 400 * DAY, lists=(empty,)).actions == ()
    assert len(made(lists=(empty,), revocations=[entry("1")]).actions) == 1


def test_a_peer_is_signed_again_with_a_third_left_and_the_plan_names_that_instant():
    due = NOW + LIFETIME * 2 / 3
    early = due - timedelta(seconds=1)
    fresh = (listed(at=early),)
    assert made(early, peers=[PEER], lists=fresh).next_at == due
    (action,) = made(due, peers=[PEER], lists=fresh).actions
    assert isinstance(action, SignAgain)
    assert describe(action).startswith("sign ikev2/branch-1 again: its renewal has been due since 2027-")
    assert action_json(action)["label"] == "branch-1"


def test_a_peer_of_another_root_is_signed_again_at_once():
    roots = {ROOT: NOW + 3650 * DAY, OLD: NOW + 3650 * DAY}
    lists = (listed(), listed(OLD))
    found = made(peers=[_changed(root=OLD)], roots=roots, lists=lists).actions
    assert found == (SignAgain(PEER.sha256, "ikev2", "branch-1", "the root has changed"),)


@pytest.mark.parametrize("what", [{"replaced_at": NOW}, {"revoked_at": NOW}])
def test_what_was_replaced_or_revoked_is_not(what):
    assert made(peers=[_changed(root=OLD, **what)]).actions == ()


def test_one_that_could_not_be_signed_waits():
    waiting = made(peers=[_changed(root=OLD)], held_back={PEER.sha256: Pause(NOW, NOW + DAY, DAY)})
    assert (waiting.actions, waiting.next_at) == ((), NOW + DAY)
    assert (
        len(made(NOW + DAY, peers=[_changed(root=OLD)], held_back={PEER.sha256: Pause(NOW, NOW + DAY, DAY)}).actions)
        == 1
    )


def test_a_root_that_has_ended_signs_nothing():
    assert made(NOW + 2 * DAY, peers=[_changed(root=OLD)], roots={ROOT: NOW + DAY}).actions == ()


def _changed(**what) -> Peer:
    return replace(PEER, **what)
