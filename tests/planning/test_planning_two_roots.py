"""Lives of two roots, each for keys of its own kind: when each step is due, without a store."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agent.model.root import CrossCertificate, RootPhase, RootRecord, published, served_with, signers, signing_root
from agent.pki.key import KeyKind, KeyType
from agent.planning import (
    BeginSigning,
    CrossCertify,
    EndSigning,
    MakeRoot,
    PrepareRoot,
    RetireRoot,
    RootStep,
    State,
    action_json,
    describe,
    plan,
)
from agent.planning.evidence import Evidence
from support.cas.certificates import DAY, NOW
from support.fakes.ladder import LOCAL, need

MAIN, RSA, NEXT = "aa" * 32, "bb" * 32, "cc" * 32
BOTH = (KeyType.ECDSA_P256, KeyType.RSA_2048)
TEN_YEARS = 3652 * DAY
OVERLAP = 90 * DAY


def root(sha256: str, **more) -> RootRecord:
    record = RootRecord(sha256, f"Root {sha256[:2]}", NOW, NOW + TEN_YEARS, f"{sha256[:2]} ", NOW, signs_at=NOW)
    return replace(record, **more)


ECDSA = root(MAIN)
PREPARED = root(RSA, key_type=KeyType.RSA_2048, beside=True, prepared=True, signs_at=NOW + OVERLAP)
SIGNING = replace(PREPARED, prepared=False)
ENDED = replace(SIGNING, replaced_at=NOW + 200 * DAY)


def cross(subject: str, issuer: str) -> CrossCertificate:
    return CrossCertificate(subject, issuer, "PEM", NOW, NOW + TEN_YEARS)


CROSSED = (cross(MAIN, RSA), cross(RSA, MAIN))


def state_of(now, *roots: RootRecord, wanted=BOTH, crosses=CROSSED, ladder=()) -> State:
    return State(
        evidence=Evidence(ladder=ladder, chains=(), orders={}, signers=signers(roots, crosses, now)),
        deployments={},
        live_chains={},
        refusals=(),
        endpoints=(),
        own_roots=roots,
        crosses=tuple(crosses),
        root_key_types=wanted,
    )


def steps(now, *roots: RootRecord, needs=(), **more) -> list[RootStep]:
    actions = plan(now, [], needs, state_of(now, *roots, **more)).actions
    return [each for each in actions if isinstance(each, RootStep)]


def test_one_for_the_other_kind_of_keys_is_prepared_where_the_settings_want_both():
    (action,) = steps(NOW, ECDSA)
    assert action == PrepareRoot("the settings want one for RSA keys", KeyType.RSA_2048, beside=True)
    assert steps(NOW, ECDSA, wanted=BOTH[:1]) == []
    assert steps(NOW, ECDSA, wanted=(KeyType.RSA_2048,)) == []  # the next one will be of it
    (action,) = steps(NOW, root(MAIN, key_type=KeyType.RSA_4096), wanted=BOTH)
    assert (action.key_type, action.beside) == (KeyType.ECDSA_P256, True)


def test_both_certify_each_other():
    (action,) = steps(NOW, PREPARED, ECDSA, crosses=())
    assert isinstance(action, CrossCertify)
    assert (action.root, action.before) == (RSA, MAIN)
    assert describe(action) == (
        "have two roots certify each other: so that clients need only one of them: Root bb, each for keys of its own kind"
    )
    assert steps(NOW, PREPARED, ECDSA) == []


def test_the_one_beside_signs_after_the_overlap_and_the_main_one_goes_on():
    assert steps(NOW + OVERLAP - DAY, PREPARED, ECDSA) == []
    assert steps(NOW + OVERLAP, PREPARED, ECDSA) == [BeginSigning(RSA, "Root bb", "that was to be on 2027-01-30")]
    assert steps(NOW + OVERLAP + DAY, SIGNING, ECDSA) == []


@pytest.mark.parametrize(
    ("roots", "rsa", "elliptic"),
    [
        ((ECDSA,), MAIN, MAIN),
        ((PREPARED, ECDSA), MAIN, MAIN),
        ((SIGNING, ECDSA), RSA, MAIN),
        ((ENDED, ECDSA), MAIN, MAIN),
    ],
)
def test_each_signs_for_keys_of_its_own_kind(roots, rsa: str, elliptic: str):
    assert [signing_root(roots, kind).sha256 for kind in (KeyKind.RSA, KeyKind.ELLIPTIC)] == [rsa, elliptic]
    assert {kind: each.root for kind, each in signers(roots, (), NOW).items()} == {
        KeyKind.RSA: rsa,
        KeyKind.ELLIPTIC: elliptic,
    }


def test_each_has_a_successor_of_its_own_with_a_key_of_its_kind():
    due = NOW + TEN_YEARS * 3 / 4
    young = replace(SIGNING, not_after=NOW + 2 * TEN_YEARS)
    (action,) = steps(due, young, ECDSA, wanted=(KeyType.RSA_4096, KeyType.ECDSA_P384))
    assert (action.key_type, action.beside) == (KeyType.ECDSA_P384, False)
    (action,) = steps(due, SIGNING, replace(ECDSA, not_after=NOW + 2 * TEN_YEARS))
    assert (action.key_type, action.beside) == (KeyType.RSA_2048, True)
    following = root(NEXT, key_type=KeyType.RSA_2048, beside=True, prepared=True, signs_at=due + OVERLAP)
    pairs = [
        (each.root, each.before) for each in steps(due, following, SIGNING, ECDSA) if isinstance(each, CrossCertify)
    ]
    assert pairs == [(NEXT, RSA)]


def test_the_settings_that_want_one_no_longer_end_its_signing_and_then_it_is_retired():
    (action,) = steps(NOW + 200 * DAY, SIGNING, ECDSA, wanted=BOTH[:1])
    assert action == EndSigning(RSA, "Root bb", "the settings want none for such keys")
    assert describe(action) == "sign no longer with Root bb: the settings want none for such keys"
    assert action_json(action)["action"] == "end_signing"
    (action,) = steps(NOW, PREPARED, ECDSA, wanted=BOTH[:1])
    assert (type(action), action.root) == (EndSigning, RSA)
    assert steps(NOW + 200 * DAY, ENDED, ECDSA, wanted=BOTH[:1]) == []
    (action,) = steps(NOW + 202 * DAY, ENDED, ECDSA, wanted=BOTH[:1])
    assert (type(action), action.root) == (RetireRoot, RSA)


def test_where_the_settings_want_rsa_alone_the_one_beside_signs_until_the_main_one_is_of_that_kind():
    only = (KeyType.RSA_2048,)
    assert steps(NOW + 200 * DAY, SIGNING, ECDSA, wanted=only) == []
    next_ = root(NEXT, key_type=KeyType.RSA_2048)
    crosses = (cross(NEXT, MAIN), cross(MAIN, NEXT), cross(NEXT, RSA), cross(RSA, NEXT))
    gone = replace(ECDSA, replaced_at=NOW, retires_at=NOW + TEN_YEARS)
    (action,) = steps(NOW, next_, SIGNING, gone, wanted=only, crosses=crosses)
    assert action == EndSigning(RSA, "Root bb", "the main root signs for such keys")


def test_where_the_main_one_is_lost_another_one_is_made():
    wanted = need("gw.home.arpa")
    assert steps(NOW, SIGNING, needs=[wanted], ladder=(LOCAL,)) == [MakeRoot()]
    assert steps(NOW, SIGNING, ECDSA, needs=[wanted], ladder=(LOCAL,)) == []


def test_clients_are_given_both_the_main_one_first():
    assert published([SIGNING, ECDSA]) == published([PREPARED, ECDSA]) == "aa bb "
    assert published([root(NEXT, prepared=True), SIGNING, ECDSA]) == "aa bb cc "
    assert published([ENDED, ECDSA]) == "aa "


def sent(subject: RootRecord, kind: KeyKind, roots, after: timedelta) -> str | None:
    found = served_with(subject, kind, roots, CROSSED, NOW + after)
    return found.issuer if found else None


def test_who_knows_the_main_one_alone_is_sent_what_leads_to_it_for_as_long_again_as_the_other_was_prepared():
    known = (SIGNING, ECDSA)
    assert sent(SIGNING, KeyKind.RSA, known, OVERLAP) == MAIN
    assert sent(SIGNING, KeyKind.RSA, known, 2 * OVERLAP - DAY) == MAIN
    assert sent(SIGNING, KeyKind.RSA, known, 2 * OVERLAP) is None  # old clients can't use what is signed by ECDSA
    at_once = replace(SIGNING, signs_at=NOW)
    assert sent(at_once, KeyKind.RSA, (at_once, ECDSA), timedelta()) is None
    assert sent(ECDSA, KeyKind.ELLIPTIC, known, OVERLAP) is None


@pytest.mark.parametrize("other", [PREPARED, ENDED], ids=lambda each: each.phase)
def test_who_knows_the_one_beside_alone_is_sent_what_leads_to_it_with_leaves_of_its_kind(other: RootRecord):
    assert sent(ECDSA, KeyKind.RSA, (other, ECDSA), DAY) == RSA
    assert sent(ECDSA, KeyKind.ELLIPTIC, (other, ECDSA), DAY) is None
    assert other.phase in {RootPhase.PREPARED, RootPhase.REPLACED}
