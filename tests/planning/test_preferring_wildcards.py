"""Wildcards in place of single names: what is asked for, what serves meanwhile, and which upload goes first."""

import pytest

from agent.model.binding import LadderPosition
from agent.model.need import HostFacts
from agent.planning.binding import bind
from agent.planning.comparison import why_first
from agent.system.names import names_by_wildcards
from support.fakes.ladder import DAY, NOW, evidence, failed, local, need, toy, upload

WILD = ("*.chain.dev",)
APEX = ("*.chain.dev", "chain.dev")


@pytest.mark.parametrize(
    ("names", "wildcards", "asked"),
    [
        (["a.chain.dev"], WILD, ("*.chain.dev",)),
        (["a.chain.dev", "b.chain.dev"], WILD, ("*.chain.dev",)),
        (["a.chain.dev", "chain.dev"], WILD, ("*.chain.dev", "chain.dev")),
        (["a.chain.dev"], APEX, APEX),
        (["chain.dev"], APEX, APEX),
        (["*.chain.dev"], APEX, APEX),
        (["a.b.chain.dev"], WILD, ("a.b.chain.dev",)),
        (["a.other.dev", "a.chain.dev"], WILD, ("a.other.dev", "*.chain.dev")),
        (["192.0.2.1"], WILD, ("192.0.2.1",)),
        (["a.chain.dev"], ("*.other.dev", *WILD), ("*.chain.dev",)),
    ],
)
def test_names_are_replaced_by_the_wildcard_that_covers_them(names, wildcards, asked):
    assert names_by_wildcards(names, wildcards) == asked


def test_needs_of_two_modules_share_one_request():
    one, two = need("a.chain.dev", wildcards=WILD), need("b.chain.dev", module="web", wildcards=WILD)
    assert one.request.id == two.request.id == need("*.chain.dev").request.id
    shared = toy("shared", one)
    for wanted in (one, two):
        (found,) = bind([wanted], evidence(shared), NOW)
        assert (found.chain, found.standing) == (shared.id, LadderPosition.WANTED)
        assert found.reason == "toy, by *.chain.dev"


def test_the_core_s_wildcards_are_of_needs_that_say_nothing_and_change_what_was_asked_before():
    plain, own = need("a.chain.dev"), need("a.chain.dev", wildcards=())
    assert plain.request.names == {"a.chain.dev"}
    assert plain.of("web", WILD).request.names == {"*.chain.dev"}
    assert plain.of("web", WILD).names == ("a.chain.dev",)
    assert own.of("web", WILD).request.names == {"a.chain.dev"}


def test_the_chain_for_the_name_itself_serves_until_there_is_one_for_the_wildcard():
    before, now = need("a.chain.dev"), need("a.chain.dev", wildcards=WILD)
    own, below = toy("own", before), local("local", now)
    (found,) = bind([now], evidence(own, below), NOW)
    assert (found.chain, found.standing) == (own.id, LadderPosition.STANDS_IN)
    assert found.reason == "toy, made for a.chain.dev, until it delivers for *.chain.dev: it is being asked"
    order = failed(now, retry_at=NOW + DAY)
    (found,) = bind([now], evidence(own, below, orders=[order]), NOW)
    assert found.reason.endswith("for *.chain.dev: The CA is away, next try 2026-11-02T12:00:00Z")


def test_the_wildcard_serves_on_where_the_setting_is_gone():
    before, now = need("a.chain.dev", wildcards=WILD), need("a.chain.dev")
    (found,) = bind([now], evidence(toy("wild", before), local("local", now)), NOW)
    assert found.reason == "toy, made for *.chain.dev, until it delivers for these alone: it is being asked"


def test_of_uploads_the_preferred_wildcard_goes_before_the_exact_name():
    exact, wild = upload("exact", "a.chain.dev"), upload("wild", "*.chain.dev", since=NOW - 9 * DAY)
    wanted = need("a.chain.dev", wildcards=WILD)
    (found,) = bind([wanted], evidence(exact, wild), NOW)
    assert (found.chain, found.reason) == (wild.id, "uploaded, covers a.chain.dev, by *.chain.dev")
    why = why_first(wanted, wild, exact, evidence(exact, wild), NOW)
    assert why == "it has *.chain.dev, which the setting wildcards prefers"
    (found,) = bind([wanted], evidence(exact), NOW)
    assert found.chain == exact.id


def test_hosts_are_written_as_before_where_nothing_is_preferred():
    assert HostFacts(name="gw", addresses=()).to_json() == {"name": "gw", "addresses": [], "failing": []}
    assert HostFacts(name="gw", addresses=(), wildcards=WILD).to_json()["wildcards"] == ["*.chain.dev"]
