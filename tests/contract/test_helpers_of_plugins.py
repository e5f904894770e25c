"""Small functions that plugins share."""

from __future__ import annotations

import pytest

from agent.contract.fields import parse_listen
from chainwright import HostFacts, concrete_name, first_repeated, usable_addresses

DUAL = HostFacts(name="gw", addresses=("127.0.0.1", "::1"))
ONLY_IPV4 = HostFacts(name="gw", addresses=("127.0.0.1",))


@pytest.mark.parametrize(
    ("values", "found"),
    [((), None), (("a", "b"), None), (("a", "b", "b"), "b"), (("a", "b", "b", "a"), "a"), ((1, 2, 1.0), 1)],
)
def test_the_first_value_that_comes_twice_is_named(values, found):
    assert first_repeated(values) == found


@pytest.mark.parametrize(
    ("name", "asked"),
    [("www.example.com", "www.example.com"), ("*.example.com", "chainwright-probe.example.com"), ("::1", "::1")],
)
def test_a_client_asks_for_a_name_that_a_wildcard_covers(name: str, asked: str):
    assert concrete_name(name) == asked


@pytest.mark.parametrize(
    ("host", "listen", "usable"),
    [
        (DUAL, ("0.0.0.0:443", "[::]:443"), ("0.0.0.0:443", "[::]:443")),
        (ONLY_IPV4, ("0.0.0.0:443", "[::]:443"), ("0.0.0.0:443",)),
        (ONLY_IPV4, ("[::]:443",), ("[::]:443",)),
        (ONLY_IPV4, ("[::1]:443",), ("[::1]:443",)),
        (ONLY_IPV4, (), ()),
    ],
)
def test_every_ipv6_address_is_left_out_without_ipv6_unless_it_is_all_there_is(host, listen, usable):
    assert tuple(map(str, usable_addresses(tuple(map(parse_listen, listen)), host))) == usable
