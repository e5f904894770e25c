"""Binding: which chain serves which need, and the reason that an administrator reads."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model.binding import Binding, LadderPosition
from agent.pki.chain import KeyType, Purpose
from agent.planning.binding import bind
from agent.planning.evidence import state_of
from agent.planning.ranking import rank
from agent.system.names import covers_all
from support.fakes.ladder import (
    DAY,
    LADDER,
    LOCAL,
    NOW,
    ROOT,
    SLOW,
    TOY,
    UPLOADED,
    evidence,
    failed,
    local,
    need,
    record,
    toy,
    upload,
)


def the_binding(wanted, *chains, now=NOW, **more) -> Binding:
    return bind([wanted], evidence(*chains, **more), now)[0]


# Among uploads


def test_an_upload_for_exactly_the_name_goes_before_a_wildcard_even_an_older_one():
    exact = upload("exact", since=NOW - 30 * DAY)
    wild = upload("wild", "*.chain.dev", since=NOW - DAY)
    found = the_binding(need(), wild, exact)
    assert (found.chain, found.standing) == (exact.id, LadderPosition.WANTED)
    assert found.reason == "uploaded, covers www.chain.dev"


def test_a_wildcard_serves_and_the_reason_names_the_one_that_covers():
    wild = upload("wild", "*.other.dev", "*.chain.dev")
    found = the_binding(need("www.chain.dev", "api.chain.dev"), wild)
    assert found.chain == wild.id
    assert found.reason == "uploaded, covers all 2 names, by *.chain.dev"


@pytest.mark.parametrize(
    ("older", "newer", "why"),
    [
        ({"since": NOW - 9 * DAY}, {"since": NOW - 2 * DAY}, "ends"),
        ({"since": NOW - 2 * DAY}, {"since": NOW - 3 * DAY, "days": 900}, "ends"),
        ({"since": NOW - 9 * DAY, "days": 90}, {"since": NOW - 2 * DAY, "days": 83}, "begins"),
        ({"created_at": NOW - DAY}, {"created_at": NOW}, "was stored"),
    ],
)
def test_of_equal_uploads_the_newest_serves_by_its_end_then_by_its_beginning(older, newer, why):
    old, new = upload("old", **older), upload("new", **newer)
    found = the_binding(need(), old, new)
    assert found == the_binding(need(), new, old)
    assert found.chain == new.id
    assert found.reason == f"uploaded, covers www.chain.dev, the newest of 2: it {why} last"


@pytest.mark.parametrize("pin", ["a1b2", "A1B2", "*.chain.dev", "*.CHAIN.dev"])
def test_a_pinned_upload_goes_before_all_others(pin: str):
    pinned = upload("a1b2", "*.chain.dev", since=NOW - 30 * DAY)
    found = the_binding(need(pin=pin), upload("exact"), pinned)
    assert found.chain == pinned.id
    assert found.reason == "uploaded, covers www.chain.dev, pinned"


@pytest.mark.parametrize("pin", ["beef", "shop.chain.dev", "", None])
def test_a_pin_that_meets_nothing_changes_nothing(pin: str | None):
    exact = upload("exact")
    found = the_binding(need(pin=pin), upload("wild", "*.chain.dev"), exact)
    assert found.reason == "uploaded, covers www.chain.dev"
    assert found.chain == exact.id


def test_a_pin_that_is_no_name_is_refused():
    with pytest.raises(ValueError, match="is not a name for a chain"):
        need(pin="two words")


def test_a_pin_of_a_person_is_for_one_slot_and_gives_way_to_one_in_the_settings():
    pinned, exact = upload("a1b2", "*.chain.dev", since=NOW - 30 * DAY), upload("exact")
    pins = {("mail", "default"): pinned.id}
    assert the_binding(need(), pinned, exact, pins=pins).reason == "uploaded, covers www.chain.dev, pinned"
    assert the_binding(need(), pinned, exact, pins=pins).chain == pinned.id
    assert the_binding(need(slot="other"), pinned, exact, pins=pins).chain == exact.id
    assert the_binding(need(pin="www.chain.dev"), pinned, exact, pins=pins).chain == exact.id


# What a service has refused


def refused(*chains, slot="default"):
    return frozenset(("mail", slot, chain.id) for chain in chains)


def test_what_the_service_refused_comes_last_and_the_next_upload_serves():
    new, old = upload("beef", since=NOW - 2 * DAY), upload("old", since=NOW - 9 * DAY)
    found = the_binding(need(), new, old, refused=refused(new))
    assert (found.chain, found.standing, found.refused) == (old.id, LadderPosition.WANTED, (new.id,))
    assert found.reason == f"uploaded, covers www.chain.dev, while mail does not take {new.id[:12]} (uploaded)"
    assert the_binding(need(slot="other"), new, old, refused=refused(new)).chain == new.id


def test_a_refused_pin_gives_way_too():
    new, old = upload("new", since=NOW - 2 * DAY), upload("a1b2", since=NOW - 9 * DAY)
    found = the_binding(need(pin="a1b2"), new, old, refused=refused(old))
    assert (found.chain, found.refused) == (new.id, (old.id,))


def test_below_a_refused_chain_of_a_higher_rung_the_local_one_is_a_fallback():
    wanted = need()
    given, below = toy("beef", wanted), local("local", wanted)
    found = the_binding(wanted, given, below, refused=refused(given))
    assert (found.chain, found.standing) == (below.id, LadderPosition.FALLBACK)
    assert found.reason == f"local, while mail does not take {given.id[:12]} (toy)"


def test_a_refused_renewal_leaves_the_last_chain_where_it_is():
    wanted = need("gw.home.arpa")
    old, new = local("old", wanted, since=NOW - 9 * DAY), local("new", wanted)
    found = the_binding(wanted, old, new, refused=refused(new))
    assert (found.chain, found.standing) == (old.id, LadderPosition.BY_DESIGN)
    assert found.reason == (
        f"local by design: toy: gw.home.arpa is no public name, while mail does not take {new.id[:12]} (local)"
    )


def test_where_everything_was_refused_the_best_serves():
    wanted = need()
    top, below = upload("top"), local("local", wanted)
    found = the_binding(wanted, top, below, refused=refused(top, below))
    assert (found.chain, found.refused, found.reason) == (
        top.id,
        (top.id, below.id),
        "uploaded, covers www.chain.dev",
    )


def test_an_upload_that_covers_only_a_part_does_not_serve():
    found = the_binding(need("www.chain.dev", "chain.dev"), upload("wild", "*.chain.dev"), ladder=(UPLOADED,))
    assert found == Binding(
        "mail", "default", None, "no chain yet: no uploaded chain covers all 2 names", LadderPosition.MISSING
    )


# What a chain must be to serve at all


@pytest.mark.parametrize(
    "chain",
    [
        upload("expired", since=NOW - 91 * DAY),
        upload("ends now", since=NOW - 90 * DAY),
        upload("early", since=NOW + timedelta(seconds=1)),
        upload("revoked", revoked_at=NOW - DAY),
        upload("rsa", key_type=KeyType.RSA_4096),
        upload("client", purposes=(Purpose.CLIENT,)),
        upload("other", "shop.chain.dev"),
    ],
    ids=lambda chain: chain.id.rstrip("0123456789abcdef") or chain.id[:8],
)
def test_an_upload_that_does_not_fit_is_passed_over(chain):
    assert the_binding(need(), chain).chain is None


def test_every_accepted_key_type_serves():
    rsa = upload("rsa", key_type=KeyType.RSA_2048)
    assert the_binding(need(), rsa).chain == rsa.id


def test_a_client_chain_serves_a_client_need():
    wanted = need(purpose=Purpose.CLIENT)
    both = upload("both", purposes=(Purpose.SERVER, Purpose.CLIENT))
    assert the_binding(wanted, both).chain == both.id


def test_a_chain_that_a_source_made_serves_only_the_request_that_it_was_made_for():
    other = need("www.other.dev")
    assert the_binding(need(), toy("toy", other), local("local", other)).chain is None


def test_a_chain_for_more_names_stays_until_there_is_one_for_just_these():
    more = need("www.chain.dev", "api.chain.dev")
    both, own, below = toy("both", more), toy("own", need()), local("local", need())
    found = the_binding(need(), both, below)
    assert (found.chain, found.standing) == (both.id, LadderPosition.STANDS_IN)
    assert found.reason == "toy, made for all 2 names together, until it delivers for these alone: it is being asked"
    assert the_binding(need(), both, own, below).chain == own.id
    assert the_binding(more, own, local("more", more)).chain == local("more", more).id  # it lacks a name


def test_local_chains_are_made_at_once_and_never_stand_in():
    more = need("www.chain.dev", "api.chain.dev")
    assert the_binding(need(), local("both", more)).chain is None


def test_needs_that_agree_share_a_chain():
    one, two = need(), need(module="web", slot="site")
    shared = local("shared", one)
    assert [each.chain for each in bind([one, two], evidence(shared), NOW)] == [shared.id, shared.id]


def test_key_types_that_are_asked_for_in_another_order_are_another_request():
    rsa_first = need(key_types=(KeyType.RSA_2048, KeyType.ECDSA_P256))
    assert the_binding(rsa_first, local("ecdsa", need())).chain is None


# Down the ladder


def test_the_highest_rung_with_a_good_chain_serves():
    wanted = need()
    chains = (local("local", wanted), toy("toy", wanted), upload("upload"))
    assert the_binding(wanted, *chains).reason == "uploaded, covers www.chain.dev"
    assert the_binding(wanted, *chains[:2]) == Binding("mail", "default", chains[1].id, "toy", LadderPosition.WANTED)


def test_before_the_top_one_ends_the_next_takes_over():
    wanted = need()
    top, next_one, last = upload("top", days=2), toy("toy", wanted, days=10), local("local", wanted)
    at = [the_binding(wanted, top, next_one, last, now=NOW + days * DAY).chain for days in (0.89, 0.9, 8.5)]
    assert at == [top.id, next_one.id, last.id]
    revoked = replace(top, revoked_at=NOW)
    assert the_binding(wanted, revoked, next_one, last).chain == next_one.id


def test_the_order_of_the_settings_is_the_ladder():
    wanted = need()
    ladder = (LOCAL, TOY, UPLOADED)
    chains = (local("local", wanted), toy("toy", wanted), upload("upload"))
    assert (
        the_binding(wanted, *chains, ladder=ladder).reason == "local by design: the ladder names it before all others"
    )


def test_local_by_design_gives_the_reason_of_the_rung_that_declined():
    wanted = need("gw.home.arpa")
    found = the_binding(wanted, local("local", wanted))
    assert found.standing is LadderPosition.BY_DESIGN
    assert found.reason == "local by design: toy: gw.home.arpa is no public name"


def test_local_by_design_where_nothing_else_is_configured_or_allowed():
    wanted = need()
    assert (
        the_binding(wanted, local("local", wanted), ladder=(UPLOADED, LOCAL)).reason
        == "local by design: no other source is configured"
    )
    only = need(sources=("local",))
    assert (
        the_binding(only, local("local", only), upload("upload")).reason
        == "local by design: no other source is allowed"
    )


def test_local_is_a_fallback_while_a_higher_rung_is_being_asked():
    wanted = need()
    found = the_binding(wanted, local("local", wanted))
    assert (found.standing, found.reason) == (LadderPosition.FALLBACK, "local until toy delivers: it is being asked")


def test_a_fallback_says_what_went_wrong_and_when_it_is_tried_next():
    wanted = need()
    orders = [failed(wanted, retry_at=NOW + DAY)]
    found = the_binding(wanted, local("local", wanted), orders=orders)
    assert found.reason == "local until toy delivers: The CA is away, next try 2026-11-02T12:00:00Z"


def test_a_fallback_says_that_only_a_change_helps_and_a_change_is_believed():
    wanted = need()
    permanent = failed(wanted)
    found = the_binding(wanted, local("local", wanted), orders=[permanent])
    assert found.reason == "local until toy delivers: The CA is away, not tried again before its settings change"
    changed = replace(permanent, settings_digest="of other settings")
    assert the_binding(wanted, local("local", wanted), orders=[changed]).reason.endswith("it is being asked")


def test_a_lower_public_rung_is_a_fallback_too():
    wanted = need()
    found = the_binding(wanted, toy("slow", wanted, source="slow"), ladder=(TOY, SLOW, LOCAL))
    assert (found.standing, found.reason) == (LadderPosition.FALLBACK, "slow until toy delivers: it is being asked")


def test_an_upload_below_a_rung_that_serves_is_a_fallback():
    wanted = need()
    found = the_binding(wanted, upload("upload"), ladder=(TOY, UPLOADED, LOCAL))
    assert found.standing is LadderPosition.FALLBACK
    assert found.reason == "uploaded, covers www.chain.dev until toy delivers: it is being asked"


def test_a_need_that_allows_some_sources_is_served_by_no_other():
    wanted = need(sources=("toy", "local"))
    assert the_binding(wanted, upload("upload"), local("local", wanted)).reason.startswith("local until toy")
    assert the_binding(need(sources=("uploaded",)), local("local", wanted)).chain is None


# Nothing at all


def test_what_is_missing_is_told_rung_by_rung():
    wanted = need()
    assert the_binding(wanted, orders=[failed(wanted, retry_at=NOW + DAY)]).reason == (
        "no chain yet: no uploaded chain covers www.chain.dev; "
        "toy: The CA is away, next try 2026-11-02T12:00:00Z; local: it is being asked"
    )


def test_a_need_that_no_source_can_ever_serve_says_why():
    found = the_binding(need("gw.home.arpa", sources=("toy",)))
    assert found.reason == "no chain yet: toy: gw.home.arpa is no public name"
    assert the_binding(need(sources=("slow", "other"))).reason == "none of the sources slow, other is in the ladder"


def test_bindings_come_in_the_order_of_the_needs():
    wanted = [need(slot=slot) for slot in ("b", "a", "c")]
    assert [each.slot for each in bind(wanted, evidence(), NOW)] == ["b", "a", "c"]


# Which of several made chains


def test_the_newest_chain_of_a_source_serves():
    wanted = need()
    old, new = toy("old", wanted, since=NOW - 9 * DAY), toy("new", wanted)
    assert the_binding(wanted, new, old).chain == the_binding(wanted, old, new).chain == new.id


def test_chains_made_within_one_second_are_told_apart_by_when_they_were_stored():
    wanted = need()
    first = toy("zz", wanted, created_at=NOW)
    second = toy("aa", wanted, created_at=NOW + timedelta(milliseconds=3))
    assert the_binding(wanted, first, second).chain == the_binding(wanted, second, first).chain == second.id


def test_a_chain_of_the_present_root_goes_before_one_of_an_earlier_root_whatever_the_clock_said():
    wanted = need()
    before = local("before", wanted, root="e" * 64, since=NOW - timedelta(minutes=1))
    after = local("after", wanted, since=NOW - timedelta(minutes=5))
    assert the_binding(wanted, before, after).chain == after.id


def test_a_source_sees_its_own_newest_chain_and_the_one_that_is_bound():
    wanted = need()
    mine, other = toy("mine", wanted), local("local", wanted)
    known = evidence(mine, other, upload("upload"), orders=[failed(wanted, retry_at=NOW)])
    for bound in (other, known.chains[2], mine):
        seen = state_of(wanted, TOY, known, bound.id, NOW)
        assert (seen.chain, seen.bound, seen.root) == (mine, bound, ROOT)
        assert seen.order is known.orders[wanted.request.id, "toy"]


NAMES = st.lists(
    st.sampled_from(["www.chain.dev", "api.chain.dev", "*.chain.dev", "chain.dev"]), min_size=1, unique=True
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["uploaded", "toy", "local"]),
            NAMES,
            st.integers(-100, 5),
            st.sampled_from(list(KeyType)),
            st.booleans(),
        ),
        max_size=8,
    ),
    NAMES,
    st.randoms(),
)
def test_whatever_the_store_holds_what_is_bound_fits_and_order_of_rows_makes_no_difference(rows, names, shuffler):
    wanted = need(*names)
    chains = [
        record(
            f"{number}",
            source,
            found,
            made_for=None if source == "uploaded" else need(*found),
            since=NOW + since * DAY,
            key_type=key_type,
            revoked_at=NOW if revoked else None,
        )
        for number, (source, found, since, key_type, revoked) in enumerate(rows)
    ]
    found = the_binding(wanted, *chains)
    by_id = {chain.id: chain for chain in chains}
    if found.chain is not None:
        chain = by_id[found.chain]
        assert chain.good(NOW)
        assert chain.key_type in wanted.key_types
        assert chain.request in {None, wanted.request.id} or covers_all(chain.names, wanted.names)
    known = evidence(*chains)
    assert (found.chain is None) == (rank(wanted, known, NOW) == [])
    shuffler.shuffle(chains)
    assert the_binding(wanted, *chains) == found


def test_the_ladder_of_these_tests_is_the_usual_one():
    assert [source.name for source in LADDER] == ["uploaded", "toy", "local"]
