"""Mail names with an ECDSA and an RSA chain, on a real postfix and a real dovecot."""

import pytest

from agent.model.deployment import Outcome
from support.appliances.mailed import ASKED, LISTENERS, Mailed

pytestmark = pytest.mark.root
SECOND = {"second_key_type": "rsa-2048"}
ECDSA_ONLY, RSA_ONLY = "aECDSA", "aRSA"


@pytest.fixture
def doubled(mailing) -> Mailed:
    """Each name is served with two chains."""
    mailing.configure(module=SECOND)
    mailing.apply()
    mailing.runner.ran.clear()
    return mailing


def both(box: Mailed) -> dict[tuple[str, str, str], str]:
    """Return the leaf that a client of each kind gets through each door."""
    return {
        (door, name, kind): box.leaf(door, name, kind)
        for door in LISTENERS
        for name in ASKED
        for kind in (ECDSA_ONLY, RSA_ONLY)
    }


def expected(box: Mailed) -> dict[tuple[str, str, str], str]:
    bound = box.chains()
    endings = {ECDSA_ONLY: "", RSA_ONLY: ".rsa"}
    return {
        (door, name, kind): bound[slot + ending]
        for door in LISTENERS
        for name, slot in ASKED.items()
        for kind, ending in endings.items()
    }


def test_each_client_gets_the_chain_that_it_can_take_and_both_are_seen(doubled):
    assert doubled.deployment("mail").outcome is Outcome.LIVE
    assert both(doubled) == expected(doubled)
    assert {each.slot for each in doubled.records()} == set(doubled.chains())
    assert all(each.ok for each in doubled.records())


def test_both_are_renewed_with_one_reload_of_each_daemon(doubled):
    before = both(doubled)
    doubled.renew()
    doubled.apply()
    assert both(doubled) == expected(doubled)
    assert set(before.values()).isdisjoint(expected(doubled).values())
    assert (doubled.runner.count("dovecot_reload"), doubled.runner.count(" reload")) == (1, 1)


def test_a_second_key_type_that_is_no_longer_wanted_leaves_no_key_in_service(doubled):
    doubled.configure(module={})
    doubled.apply()
    assert not list(doubled.live("mail").rglob("*.rsa*"))
    assert {each.slot for each in doubled.records()} == set(ASKED.values())
    doubled.assert_served()
    with pytest.raises(OSError, match=r"alert|EOF|reset"):
        doubled.leaf("smtps", kind=RSA_ONLY)


WITHOUT_RSA = '{% include "default:main.cf.j2" %}\ntls_medium_cipherlist = aECDSA\ntls_high_cipherlist = aECDSA\n'


def test_a_second_chain_that_no_client_can_get_is_not_believed_and_the_first_stays(mailing):
    mailing.override("mail/main.cf.j2", WITHOUT_RSA)
    mailing.apply()
    mailing.configure(module=SECOND)
    mailing.apply()
    assert {each.slot for each in mailing.refusals()} == {f"{slot}.rsa" for slot in ASKED.values()}
    assert not list(mailing.live("mail").rglob("*.rsa*"))
    mailing.assert_served()
