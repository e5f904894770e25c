"""Chains of a module with ``key = "keep"`` have the same key, until its time is over or it is given up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.engine.bus import Bus
from agent.engine.kept_keys import spki_of
from agent.engine.orders import Delivery, settle_deliveries
from agent.model.kept_key import KeptKey, KeyRole
from agent.model.need import Request
from agent.operations.reissue import reissue
from agent.operations.revocation import revoke_signed
from agent.pki.key import KeyType
from agent.pki.revocation import RevocationReason
from agent.planning import Obtain
from agent.sources.local import LocalSource
from support.appliances.deployed import Deployed

NAME = "t.example.com"


def write_settings(appliance: Deployed, keeping: str, *, sources: str = '"local"', more: str = "") -> None:
    appliance.drop_in("tunnel")
    appliance.drop_in("slow")
    appliance.settings(
        f'hostname = "gw"\nplugins.slow.enabled = true\nsources = ["uploaded", {sources}]\n'
        f'[modules.tunnel]\nport = 1\ndomain = "{NAME}"\n{keeping}\n{more}\n[source.slow]\nfailures = 0\n'
    )


def keep(appliance: Deployed, keep_for: str = "400 days", **more: str) -> Deployed:
    write_settings(appliance, f'key = "keep"\nkeep_for = "{keep_for}"', **more)
    appliance.apply()
    return appliance


def bound_key(appliance: Deployed) -> str:
    """Return the SHA-256 of the public key of the chain that the module has."""
    with appliance.store() as store:
        return spki_of(store, appliance.chains("tunnel")["default"])


def kept(appliance: Deployed) -> dict[KeyRole, KeptKey]:
    with appliance.store() as store:
        (keys,) = store.kept_keys.all().values()
    return {each.role: each for each in keys}


def renewed(appliance: Deployed) -> str:
    """Renew, and return the key of the new chain."""
    before = appliance.chains("tunnel")
    appliance.renew()
    appliance.apply()
    assert appliance.chains("tunnel") != before
    return bound_key(appliance)


def test_a_renewal_has_a_new_key_unless_a_module_keeps_it(appliance):
    write_settings(appliance, "")
    appliance.apply()
    first = bound_key(appliance)
    assert renewed(appliance) != first
    with appliance.store() as store:
        assert store.kept_keys.all() == {}


def test_a_key_is_kept_for_so_many_renewals_and_the_next_one_is_ready_before(appliance):
    keep(appliance, "2 renewals")
    first, following = bound_key(appliance), kept(appliance)[KeyRole.NEXT].spki
    assert kept(appliance)[KeyRole.PRESENT].spki == first != following
    assert [renewed(appliance) for _ in range(4)] == [first, first, following, following]
    present = kept(appliance)[KeyRole.PRESENT]
    assert (present.spki, present.renewals) == (following, 1)
    assert kept(appliance)[KeyRole.NEXT].spki not in {first, following}


def test_a_key_is_kept_for_a_time(appliance):
    keep(appliance, "100 days")
    first, following = bound_key(appliance), kept(appliance)[KeyRole.NEXT].spki
    assert [renewed(appliance) for _ in range(3)] == [first, following, following]


def test_the_chain_that_serves_when_keeping_begins_lends_its_key(appliance):
    write_settings(appliance, "")
    appliance.apply()
    first = bound_key(appliance)
    keep(appliance)
    assert kept(appliance)[KeyRole.PRESENT].spki == first
    assert renewed(appliance) == first
    result = appliance.apply()
    assert result.performed == (), "each key is prepared once"


def test_all_rungs_use_the_same_key(appliance):
    keep(appliance, sources='"slow", "local"')
    with appliance.store() as store:
        chains = store.chains.records()
        assert {each.source for each in chains} == {"slow", "local"}
        assert {spki_of(store, each.id) for each in chains} == {kept(appliance)[KeyRole.PRESENT].spki}
    assert kept(appliance)[KeyRole.PRESENT].renewals == 0, "neither source has renewed anything"


def test_needs_that_share_a_request_share_its_key_for_the_shortest_time(appliance):
    second = f'[modules.other]\nplugin = "tunnel"\nport = 2\ndomain = "{NAME}"\n'
    keep(appliance, "9 renewals", more=f'{second}key = "keep"\nkeep_for = "1 renewal"')
    first, following = bound_key(appliance), kept(appliance)[KeyRole.NEXT].spki
    assert [renewed(appliance) for _ in range(2)] == [first, following]
    keep(appliance, "9 renewals", more=second)
    assert renewed(appliance) == following, "who does not mind takes the key that another one keeps"
    assert appliance.chains("other") == appliance.chains("tunnel")


def test_a_reissue_keeps_the_key_unless_a_new_one_is_asked_for(appliance):
    keep(appliance)
    first, following = bound_key(appliance), kept(appliance)[KeyRole.NEXT].spki
    appliance.change(reissue)
    appliance.apply()
    assert bound_key(appliance) == first
    appliance.change(reissue, new_key=True)
    appliance.apply()
    assert bound_key(appliance) == following
    assert kept(appliance)[KeyRole.GIVEN_UP].reason == "a new one was asked for"
    assert renewed(appliance) == following


def test_a_key_is_not_taken_over_that_was_given_up_before_it_was_kept(appliance):
    write_settings(appliance, "")
    appliance.apply()
    first = bound_key(appliance)
    write_settings(appliance, 'key = "keep"')
    appliance.change(reissue, new_key=True)
    appliance.apply()
    assert bound_key(appliance) not in {"", first}


def test_no_chain_with_a_key_that_somebody_else_may_have_is_good(appliance):
    keep(appliance, sources='"slow", "local"')
    first, following = bound_key(appliance), kept(appliance)[KeyRole.NEXT].spki
    with appliance.store() as store:
        (local,) = [each for each in store.chains.records() if each.source == "local"]
    appliance.change(revoke_signed, local.serial, RevocationReason.KEY_COMPROMISE)
    with appliance.store() as store:
        assert all(each.revoked_at for each in store.chains.records())
        assert {each.reason for each in store.revocations.all()} == {RevocationReason.KEY_COMPROMISE}
    appliance.apply()
    appliance.apply()
    assert bound_key(appliance) == following
    with appliance.store() as store:
        good = [each.id for each in store.chains.records() if each.revoked_at is None]
        assert first not in {spki_of(store, each) for each in good}


def test_a_chain_that_comes_with_a_key_that_was_given_up_meanwhile_is_not_used(appliance):
    keep(appliance)
    request = Request(names=frozenset({NAME}), key_type=KeyType.ECDSA_P256)
    appliance.change(reissue, new_key=True)
    with appliance.store() as store:
        (before,) = store.chains.records()
        chain, now = store.chains.load(before.id), appliance.clock()
        delivery = Delivery(LocalSource(), Obtain("local", request, (), "", immediate=True), now, chain)
        settle_deliveries(store, Bus(), [delivery], now=now, job="")
        assert store.chains.records() == [before]
        problem = store.orders.record(request.id, "local").problem
    assert problem["cause"] == (
        "The chain that local delivered is not used: its key was given up meanwhile, as a new one was asked for."
    )
    following = kept(appliance)[KeyRole.NEXT].spki
    appliance.apply()
    assert bound_key(appliance) == following


def test_a_chain_that_is_revoked_for_another_reason_keeps_its_key(appliance):
    keep(appliance)
    first = bound_key(appliance)
    with appliance.store() as store:
        (local,) = store.chains.records()
    appliance.change(revoke_signed, local.serial, RevocationReason.SUPERSEDED)
    appliance.apply()
    assert bound_key(appliance) == first


def test_a_key_that_can_t_be_opened_is_taken_from_its_chain_again(appliance):
    keep(appliance)
    first = bound_key(appliance)
    with appliance.store() as store, store.write():
        store.database.execute("update kept_keys set sealed_key = x'00' where role = 'present'")
    assert renewed(appliance) == first


@pytest.mark.parametrize("word", ["ordered", "validated"])
def test_a_process_that_dies_changes_no_key(appliance, word):
    keep(appliance, sources='"slow", "local"')
    first, before = bound_key(appliance), kept(appliance)
    appliance.clock.advance(days=25)
    appliance.dies_at(word)
    appliance.clock.advance(minutes=2)
    appliance.apply()
    assert bound_key(appliance) == first
    assert kept(appliance) == {
        **before,
        KeyRole.PRESENT: replace(before[KeyRole.PRESENT], renewals=1),
    }


def test_keys_of_a_module_that_is_taken_out_are_kept_for_a_month(appliance):
    keep(appliance)
    before = kept(appliance)
    appliance.settings('hostname = "gw"\n')
    appliance.apply()
    appliance.clock.advance(days=29)
    appliance.apply()
    assert kept(appliance) == before
    appliance.clock.advance(days=2)
    appliance.apply()
    with appliance.store() as store:
        assert store.kept_keys.all() == {}


def test_no_key_is_in_the_clear(appliance):
    keep(appliance)
    with appliance.store() as store:
        rows = [row[0] for row in store.database.execute("select sealed_key from kept_keys")]
    assert len(rows) == 2
    assert not [row for row in rows if b"PRIVATE" in row]
