"""The Diffie-Hellman groups of the IKEv2 probe: both sides come to the same secret, and odd values are refused."""

from __future__ import annotations

import pytest

from plugins.ikev2.ike.failure import Malformed
from plugins.ikev2.ike.key_exchange import GROUPS, new_key_exchange, prime

MODP = (2, 5, 14, 15, 16)


@pytest.mark.parametrize("group", GROUPS)
def test_both_sides_come_to_the_same_secret(group: int):
    one, other = new_key_exchange(group), new_key_exchange(group)
    assert one.secret(other.public) == other.secret(one.public)
    assert one.public != other.public


@pytest.mark.parametrize("group", GROUPS)
def test_a_value_of_another_length_or_outside_of_the_group_is_refused(group: int):
    exchange = new_key_exchange(group)
    size = len(exchange.public)
    for odd in (b"", exchange.public[:-1], exchange.public + b"\0", bytes(size)):
        with pytest.raises(Malformed, match="none of the group"):
            exchange.secret(odd)


@pytest.mark.parametrize("group", MODP)
def test_values_whose_secret_is_known_beforehand_are_refused(group: int):
    exchange = new_key_exchange(group)
    size = len(exchange.public)
    for known in (1, prime(group) - 1, prime(group)):
        with pytest.raises(Malformed, match="none of the group"):
            exchange.secret(known.to_bytes(size, "big"))
