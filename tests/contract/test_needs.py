"""What a module asks for, what is asked of sources for it, and the two sources that are always there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.contract.source import RequestState
from agent.errors import SourceError
from agent.model.need import Need, Request
from agent.pki.chain import KeyType, Purpose
from agent.planning.renewal import renewal_instant
from agent.sources import BUILT_IN, LocalSource, UploadedSource
from support.fakes.ladder import DAY, NOW, ROOT, local, need

# Needs


def test_names_are_canonical_and_each_is_there_once_in_the_order_of_the_module():
    wanted = Need(("WWW.Chain.dev.", "api.chain.dev", "www.chain.dev"), module="web")
    assert wanted.names == ("www.chain.dev", "api.chain.dev")
    assert wanted.key == ("web", "default")
    assert wanted.of("mail").key == ("mail", "default")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"names": ()}, 'slot "default" asks for a chain without a name'),
        ({"names": ("a b",)}, '"a b" is not a name for a chain'),
        ({"key_types": ()}, 'slot "default" accepts no key type'),
        ({"slot": ""}, 'slot "" must be'),
        ({"slot": "A"}, 'slot "A" must be'),
        ({"slot": "../x"}, 'slot "../x" must be'),
        ({"slot": ".hidden"}, 'slot ".hidden" must be'),
        ({"slot": "a b"}, 'slot "a b" must be'),
        ({"slot": "x" * 129}, "must be lower-case letters"),
        (
            {"names": ("www.chain.dev", "gw.lan")},
            'slot "default" mixes the public name www.chain.dev with gw.lan, which no public CA certifies: use two slots',
        ),
        ({"names": ("192.0.2.1", "www.chain.dev")}, "mixes the public name www.chain.dev with 192.0.2.1"),
    ],
)
def test_what_can_never_be_served_is_refused_with_a_reason(values, reason: str):
    with pytest.raises(ValueError, match=reason):
        Need(**{"names": ("www.chain.dev",), **values})


def test_local_names_and_addresses_may_stand_together():
    assert Need(("gw", "localhost", "192.0.2.1", "2001:db8::1")).names[2:] == ("192.0.2.1", "2001:db8::1")


def test_needs_that_agree_make_the_same_request_whatever_their_slots_and_order():
    one = need("a.chain.dev", "b.chain.dev", slot="x", pin="ab", sources=("local",))
    two = need("B.chain.dev", "a.chain.dev", module="web", key_types=(KeyType.ECDSA_P256,))
    assert one.request == two.request
    assert one.request.id == two.request.id
    for other in ({"key_types": (KeyType.RSA_2048,)}, {"purpose": Purpose.CLIENT}):
        assert need("a.chain.dev", "b.chain.dev", **other).request.id != one.request.id


@given(st.sets(st.sampled_from(["a.chain.dev", "b.chain.dev", "*.chain.dev", "c.lan"]), min_size=1), st.randoms())
def test_the_id_of_a_request_is_told_by_its_names_alone(names: set[str], shuffler):
    shuffled = list(names)
    shuffler.shuffle(shuffled)
    assert (
        Request(names=frozenset(shuffled), key_type=KeyType.ED25519).id
        == Request(names=frozenset(names), key_type=KeyType.ED25519).id
    )
    assert Request(names=frozenset(names), key_type=KeyType.ED25519).public == (
        not any(name.endswith("lan") for name in names)
    )


# Renewal


@given(st.integers(1, 400 * 86_400), st.integers(0, 10**9).map(lambda each: NOW + timedelta(seconds=each)))
def test_a_chain_is_renewed_well_within_its_life(seconds: int, begin):
    end = begin + timedelta(seconds=seconds)
    at = renewal_instant(begin, end)
    left = 2 if end - begin < timedelta(days=10) else 3
    assert begin < at < end
    assert abs((end - at) - (end - begin) / left) <= timedelta(microseconds=1)


# The sources that are always there


def state(wanted: Need, chain=None, root: str | None = ROOT) -> RequestState:
    return RequestState(chain=chain, bound=chain, order=None, root=root)


def test_the_local_source_serves_everything_at_once():
    wanted = need("gw")
    source = LocalSource()
    assert source.immediate
    assert source.offers(wanted.request, state(wanted)).serves
    assert source.due(wanted.request, state(wanted), NOW).at == NOW


def test_a_local_chain_is_due_at_its_third_or_when_the_root_is_another_one():
    wanted = need("gw")
    chain = local("gw", wanted, since=NOW, days=90)
    source = LocalSource()
    due = source.due(wanted.request, state(wanted, chain), NOW)
    assert (due.at, due.reason) == (NOW + 60 * DAY, "in good time")
    late = source.due(wanted.request, state(wanted, chain), NOW + 61 * DAY)
    assert late.reason == "its renewal has been due since 2026-12-31"
    other = source.due(wanted.request, state(wanted, replace(chain, root="e" * 64)), NOW)
    assert (other.at, other.reason) == (NOW, "the root has changed")


class ToySession:
    """Notes what is issued."""

    def __init__(self) -> None:
        self.issued: list[tuple[Request, timedelta]] = []

    def issue(self, request: Request, lifetime: timedelta) -> str:
        self.issued.append((request, lifetime))
        return "chain"


def test_the_local_source_has_the_root_sign_for_the_lifetime_of_the_settings():
    session, wanted = ToySession(), need("gw")
    assert LocalSource(lifetime_days=30).obtain(wanted.request, session) == "chain"  # type: ignore[arg-type,comparison-overlap]
    assert session.issued == [(wanted.request, timedelta(days=30))]
    for days in (0, 398):
        with pytest.raises(ValidationError):
            LocalSource(lifetime_days=days)


def test_nothing_can_be_asked_of_uploads():
    wanted = need()
    source = UploadedSource()
    assert not source.offers(wanted.request, state(wanted)).serves
    assert source.due(wanted.request, state(wanted), NOW).at.year == 9999
    with pytest.raises(SourceError, match="An uploaded chain can't be ordered"):
        source.obtain(wanted.request, ToySession())  # type: ignore[arg-type]


def test_settings_of_a_source_are_told_apart():
    assert LocalSource().settings_digest == LocalSource(lifetime_days=90).settings_digest
    assert LocalSource().settings_digest != LocalSource(lifetime_days=91).settings_digest
    assert [source.name for source in BUILT_IN] == ["uploaded", "acme", "local"]
