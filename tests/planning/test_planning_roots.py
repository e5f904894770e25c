"""The life of the roots: when each step is due, without a store."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from agent.contract.source import ChainRecord
from agent.model.binding import Binding, LadderPosition
from agent.model.peer import LIFETIME, Peer
from agent.model.root import CrossCertificate, RootRecord, preparation_instant, served_with, signers
from agent.pki.chain import KeyType, Purpose
from agent.pki.key import KeyKind
from agent.planning import (
    BeginSigning,
    BelieveAgain,
    ClockDoubt,
    CrossCertify,
    Plan,
    PrepareRoot,
    RetireRoot,
    RootStep,
    SignAgain,
    State,
    action_json,
    describe,
    plan,
)
from agent.planning.evidence import Evidence
from agent.planning.root_life import depending_in, hand_over_instant, last_signing_instant, signing_instant
from support.cas.certificates import DAY, NOW

OLD, NEW, THIRD = "aa" * 32, "bb" * 32, "cc" * 32
LEAF = 90 * DAY
TEN_YEARS = 3652 * DAY


def root(sha256: str = OLD, begins=NOW, life: timedelta = TEN_YEARS, **more) -> RootRecord:
    record = RootRecord(sha256, f"Root {sha256[:2]}", begins, begins + life, "", begins, signs_at=begins)
    return replace(record, **more)


PREPARED = root(NEW, prepared=True, signs_at=NOW + 90 * DAY)
REPLACED = root(OLD, replaced_at=NOW - 2 * DAY)
SIGNING = root(NEW)
CROSSED = (CrossCertificate(NEW, OLD, "PEM"), CrossCertificate(OLD, NEW, "PEM"))
PEER = Peer(
    serial="5d0c",
    sha256="cd" * 32,
    module="ikev2",
    label="branch-1",
    names=("b.example.test",),
    purposes=(Purpose.SERVER,),
    root=OLD,
    not_before=NOW,
    not_after=NOW + LIFETIME,
    created_at=NOW,
)


def local(name: str, signed_by: str, ends: datetime = NOW + LEAF) -> ChainRecord:
    return ChainRecord(
        id=name,
        source="local",
        names=("a.example.test",),
        key_type=KeyType.ECDSA_P256,
        purposes=(Purpose.SERVER,),
        issuer="Root",
        serial="1",
        not_before=NOW,
        not_after=ends,
        fingerprints=(name,),
        request="r",
        root=signed_by,
    )


def state(*roots: RootRecord, crosses=CROSSED, peers=(), chains=(), live=None) -> State:
    return State(
        evidence=Evidence(ladder=(), chains=tuple(chains), orders={}, signers=signers(roots, crosses, NOW)),
        deployments={},
        live_chains=live or {},
        refusals=(),
        endpoints=(),
        own_roots=roots,
        crosses=tuple(crosses),
        peers=tuple(peers),
    )


def made(now: datetime, *roots: RootRecord, **more) -> Plan:
    return plan(now, [], [], state(*roots, **more))


def steps(now: datetime, *roots: RootRecord, **more) -> list[RootStep]:
    return [each for each in made(now, *roots, **more).actions if isinstance(each, RootStep)]


def test_a_successor_is_prepared_when_a_quarter_of_the_life_is_left():
    due = NOW + TEN_YEARS * 3 / 4
    assert preparation_instant(root()) == due
    assert (steps(due - DAY, root()), made(due - DAY, root()).next_at) == ([], due)
    (action,) = steps(due, root())
    assert describe(action) == f"prepare the root that signs next: the root ends on {NOW + TEN_YEARS:%Y-%m-%d}"
    assert action_json(action) == {"action": "prepare_root", "reason": f"the root ends on {NOW + TEN_YEARS:%Y-%m-%d}"}


def test_of_an_uploaded_root_it_is_made_late_so_that_a_person_can_upload_another_one():
    due = NOW + TEN_YEARS * 7 / 8
    assert steps(due - DAY, root(uploaded=True)) == []
    assert isinstance(steps(due, root(uploaded=True))[0], PrepareRoot)


def test_there_is_one_successor():
    late = NOW + TEN_YEARS * 3 / 4
    assert steps(late, root(), replace(PREPARED, signs_at=late + DAY)) == []


def test_a_root_that_has_ended_gets_one_too():
    (action,) = steps(NOW + TEN_YEARS + DAY, root())
    assert describe(action) == f"prepare the root that signs next: the root ended on {NOW + TEN_YEARS:%Y-%m-%d}"


@pytest.mark.parametrize("life", [1, 10, 30, 90, 365, 3652])
def test_the_successor_signs_before_the_end_whatever_the_overlap_and_the_lifetimes_are(life: int):
    record = root(life=life * DAY)
    at = preparation_instant(record)
    for overlap in (0, 90, 3650):
        date = signing_instant(record, at, overlap * DAY, LEAF)
        assert at <= date <= record.not_after - min(2 * LEAF, life * DAY / 8)
    assert signing_instant(record, record.not_after + DAY, 90 * DAY, LEAF) == record.not_after + DAY


def test_it_signs_before_what_the_present_one_signs_would_end_at_once_whatever_date_was_given():
    late = replace(PREPARED, not_after=NOW + 2 * TEN_YEARS, signs_at=NOW + TEN_YEARS - DAY)
    due = hand_over_instant(root())
    assert due == NOW + TEN_YEARS - 20 * DAY
    assert (steps(due - DAY, root(), late), made(due - DAY, root(), late).next_at) == ([], due)
    (action,) = steps(due, root(), late)
    assert describe(action).endswith(f"the root ends on {NOW + TEN_YEARS:%Y-%m-%d}")
    assert isinstance(action, BeginSigning)


def test_a_prepared_root_that_has_ended_never_signs_and_another_one_is_prepared():
    ended = root(NEW, life=30 * DAY, prepared=True, signs_at=NOW + 90 * DAY)
    now = NOW + 91 * DAY
    assert steps(now, root(), ended) == [RetireRoot(NEW, "Root bb", "it has ended")]
    late = NOW + TEN_YEARS * 3 / 4
    assert [type(each) for each in steps(late, root(), ended)] == [RetireRoot, PrepareRoot]


def test_a_peer_certificate_of_the_future_is_signed_again():
    known = replace(state(root(), peers=[replace(PEER, not_before=NOW + 30 * DAY)]), roots={OLD: NOW + TEN_YEARS})
    (again,) = [each for each in plan(NOW, [], [], known).actions if isinstance(each, SignAgain)]
    assert again.reason == "the one before is of the future"
    assert not [each for each in plan(NOW + 30 * DAY, [], [], known).actions if isinstance(each, SignAgain)]


def test_it_signs_after_the_overlap_where_the_root_has_that_time():
    assert signing_instant(root(), NOW, 90 * DAY, LEAF) == NOW + 90 * DAY
    assert last_signing_instant(root(), LEAF) == NOW + TEN_YEARS - 2 * LEAF


def test_the_two_certify_each_other_once():
    (action,) = steps(NOW, PREPARED, root(), crosses=())
    assert isinstance(action, CrossCertify)
    assert (action.root, action.before) == (NEW, OLD)
    assert describe(action) == "have two roots certify each other: so that clients need only one of them: Root bb"
    assert action_json(action)["root"] == NEW
    assert steps(NOW, PREPARED, root(), crosses=CROSSED[:1]) == [action]
    obstacle = CrossCertificate(NEW, OLD, "", obstacle="it may not")
    assert steps(NOW, PREPARED, root(), crosses=(obstacle, CROSSED[1])) == []


def test_a_prepared_root_signs_from_its_date_on():
    date = NOW + 90 * DAY
    assert (steps(date - DAY, PREPARED, root()), made(date - DAY, PREPARED, root()).next_at) == ([], date)
    (action,) = steps(date, PREPARED, root())
    assert describe(action) == "begin to sign with Root bb: that was to be on 2027-01-30"
    assert action_json(action) == {"action": "begin_signing", "reason": "that was to be on 2027-01-30", "root": NEW}


BEGIN = NOW + 90 * DAY
UNTRUSTED = {"irrevocable_from": BEGIN + DAY / 24}
DOUBTED = {"doubt": ClockDoubt()}
ENDED = root(NEW, life=30 * DAY, prepared=True, signs_at=BEGIN)


@pytest.mark.parametrize("clock", [UNTRUSTED, DOUBTED], ids=["untrusted", "doubted"])
@pytest.mark.parametrize(
    "roots",
    [
        (PREPARED, root()),
        (SIGNING, REPLACED),
        (SIGNING, replace(REPLACED, retires_at=BEGIN)),
        (SIGNING, replace(REPLACED, not_after=BEGIN)),
        (ENDED, root()),
    ],
    ids=["begin", "nothing left", "date", "ended", "ended before it signs"],
)
def test_what_can_not_be_undone_waits_until_the_clock_was_believed_for_a_while(roots, clock):
    (due,) = steps(BEGIN, *roots)
    assert isinstance(due, BeginSigning | RetireRoot)
    waiting = plan(BEGIN, [], [], replace(state(*roots), **clock))
    assert [each for each in waiting.actions if isinstance(each, RootStep)] == []
    if clock is UNTRUSTED:
        assert waiting.next_at == UNTRUSTED["irrevocable_from"]
        later = plan(waiting.next_at, [], [], replace(state(*roots), **clock))
        assert [type(each) for each in later.actions if isinstance(each, RootStep)] == [type(due)]


def test_where_no_other_root_can_sign_a_prepared_one_begins_whatever_the_clock_is():
    for roots in ((PREPARED,), (PREPARED, root(life=DAY))):
        found = plan(BEGIN, [], [], replace(state(*roots), **UNTRUSTED))
        assert [type(each) for each in found.actions if isinstance(each, RootStep)] == [BeginSigning]


def test_it_signs_at_once_where_the_one_before_it_has_ended_or_is_gone():
    ended = root(life=DAY)
    assert [describe(each) for each in steps(NOW + 2 * DAY, PREPARED, ended)] == [
        "begin to sign with Root bb: the root before it has ended"
    ]
    assert [type(each) for each in steps(NOW + 2 * DAY, PREPARED)] == [BeginSigning]


def test_the_root_before_is_retired_when_nothing_that_it_has_signed_is_left():
    just_now = replace(REPLACED, replaced_at=NOW)
    assert (steps(NOW, SIGNING, just_now), made(NOW, SIGNING, just_now).next_at) == ([], NOW + DAY)
    (action,) = steps(NOW, SIGNING, REPLACED)
    assert describe(action) == "retire Root aa: nothing that it has signed is left"
    assert action_json(action) == {
        "action": "retire_root",
        "reason": "nothing that it has signed is left",
        "root": OLD,
    }


def test_a_root_that_was_retired_by_a_clock_that_was_ahead_is_believed_again():
    gone = root(OLD, replaced_at=NOW + TEN_YEARS, retired_at=NOW + TEN_YEARS + DAY)
    (action,) = steps(NOW, SIGNING, gone)
    assert describe(action) == "believe again Root aa: it was retired while the clock was ahead"
    assert action_json(action) == {
        "action": "believe_again",
        "reason": "it was retired while the clock was ahead",
        "root": OLD,
    }
    again = replace(gone, retired_at=None)
    assert steps(NOW, SIGNING, again) == []
    assert [type(each) for each in steps(NOW, SIGNING, again, crosses=())] == [CrossCertify]


@pytest.mark.parametrize(
    "changed",
    [
        {"not_after": NOW},
        {"replaced_at": NOW + DAY},
        {"retires_at": NOW + DAY},
        {"retires_at": NOW - DAY, "replaced_at": NOW - 2 * DAY},
        {"retired_at": NOW + DAY / 25, "replaced_at": NOW - DAY},
        {"prepared": True, "replaced_at": None},
    ],
    ids=["ended", "at once by a person", "later by a person", "a person's date", "just now", "never signed"],
)
def test_what_was_retired_otherwise_stays_so(changed):
    gone = replace(root(OLD, replaced_at=NOW, retired_at=NOW + DAY), **changed)
    assert steps(NOW, SIGNING, gone) == []


def test_a_date_that_a_person_gave_it_and_that_is_to_come_holds():
    gone = root(OLD, replaced_at=NOW - DAY, retires_at=NOW + DAY, retired_at=NOW + 20 * DAY)
    assert [type(each) for each in steps(NOW, SIGNING, gone)] == [BelieveAgain]


@pytest.mark.parametrize("clock", [UNTRUSTED, DOUBTED], ids=["untrusted", "doubted"])
def test_it_is_not_believed_again_by_a_clock_that_may_be_wrong(clock):
    gone = root(OLD, replaced_at=NOW + TEN_YEARS, retired_at=NOW + TEN_YEARS + DAY)
    found = plan(NOW, [], [], replace(state(SIGNING, gone), **clock))
    assert [each for each in found.actions if isinstance(each, RootStep)] == []


@pytest.mark.parametrize("replaced_at", [None, NOW], ids=["present", "replaced"])
def test_a_peer_certificate_counts_until_it_ends_also_when_a_newer_one_was_signed(replaced_at):
    peer = replace(PEER, replaced_at=replaced_at, root=OLD)
    if replaced_at is None:
        assert list(depending_in(state(peers=[peer]), OLD, (), NOW)) == [("ikev2/branch-1", PEER.not_after)]
    assert steps(PEER.not_after - DAY, SIGNING, REPLACED, peers=[peer]) == []
    assert made(NOW, SIGNING, REPLACED, peers=[peer]).next_at == PEER.not_after
    assert [type(each) for each in steps(PEER.not_after, SIGNING, REPLACED, peers=[peer])] == [RetireRoot]


def test_one_that_was_revoked_does_not():
    assert [type(each) for each in steps(NOW, SIGNING, REPLACED, peers=[replace(PEER, revoked_at=NOW)])] == [RetireRoot]


def test_a_chain_counts_as_long_as_it_is_in_service():
    chain = local("chain", OLD)
    live = {"front": {"a": "chain"}}
    assert steps(NOW, SIGNING, REPLACED, chains=[chain], live=live) == []
    assert [type(each) for each in steps(NOW, SIGNING, REPLACED, chains=[chain])] == [RetireRoot]
    assert [type(each) for each in steps(NOW + LEAF, SIGNING, REPLACED, chains=[chain], live=live)] == [RetireRoot]
    bound = (Binding("front", "a", "chain", "local", LadderPosition.BY_DESIGN),)
    assert [who for who, _ in depending_in(state(chains=[chain]), OLD, bound, NOW)] == ["front/a"]


def test_a_date_that_a_person_has_set_goes_before_all_but_the_end():
    moved = replace(REPLACED, retires_at=NOW + 5 * DAY)
    assert (steps(NOW, SIGNING, moved), made(NOW, SIGNING, moved).next_at) == ([], NOW + 5 * DAY)
    (action,) = steps(NOW + 5 * DAY, SIGNING, moved, peers=[PEER])
    assert describe(action) == "retire Root aa: that was to be on 2026-11-06"
    late = replace(REPLACED, retires_at=NOW + 2 * TEN_YEARS)
    assert describe(steps(NOW + TEN_YEARS, SIGNING, late)[-1]) == "retire Root aa: it has ended"


def cross(subject: str, issuer: str, ends=NOW + TEN_YEARS, **more) -> CrossCertificate:
    return CrossCertificate(subject, issuer, "PEM", NOW, ends, **more)


def test_leaves_are_sent_with_one_cross_certificate_that_of_a_root_that_is_still_believed_first():
    crosses = [cross(NEW, OLD), cross(NEW, THIRD), cross(OLD, NEW)]
    prepared, retired = root(THIRD, prepared=True), root(OLD, retired_at=NOW)
    for others, issuer in [
        ((prepared, REPLACED), OLD),
        ((prepared, retired), THIRD),
        ((retired,), OLD),
        ((), None),
    ]:
        found = served_with(SIGNING, KeyKind.ELLIPTIC, [*others, SIGNING], crosses, NOW)
        assert (found.issuer if found else None) == issuer
    obstructed = [cross(NEW, OLD, obstacle="it may not")]
    ending = [cross(NEW, OLD, NOW + DAY)]
    assert served_with(SIGNING, KeyKind.RSA, [REPLACED, SIGNING], obstructed, NOW) is None
    assert served_with(SIGNING, KeyKind.RSA, [REPLACED, SIGNING], ending, NOW + DAY * 23 / 24) is None
