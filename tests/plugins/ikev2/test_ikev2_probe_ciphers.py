"""How the IKEv2 probe's messages are protected: by each cipher, so that no octet can be changed on the way."""

from __future__ import annotations

import pytest

from plugins.ikev2.ike.ciphers import Protection
from plugins.ikev2.ike.failure import IkeFailure
from plugins.ikev2.ike.keys import derive
from plugins.ikev2.ike.proposal import Choice
from support.servers.ike_responder import turned

COVERED = bytes(range(32))
PLAIN = b"what nobody else reads"
CHOICES = [
    *(Choice(12, bits, 5, integrity, 31) for bits in (128, 192, 256) for integrity in (2, 12, 13, 14)),
    *(Choice(20, bits, prf, None, 31) for bits in (128, 192, 256) for prf in (2, 5, 6, 7)),
]


def agreed(choice: Choice) -> Protection:
    return derive(choice, b"shared", bytes(64), bytes(16)).protection


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_no_octet_of_what_is_sealed_can_be_changed(choice: Choice):
    protection = agreed(choice)
    server = turned(protection)
    padded = server.padded(PLAIN)
    sealed = server.seal(COVERED, padded)
    assert len(sealed) == len(padded) + server.overhead
    assert protection.open(COVERED, sealed) == PLAIN
    for index in range(len(sealed)):
        with pytest.raises(IkeFailure, match="not protected by the keys"):
            protection.open(COVERED, sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :])
    with pytest.raises(IkeFailure, match="not protected by the keys"):
        protection.open(COVERED[:-1] + b"x", sealed)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_each_direction_has_keys_of_its_own(choice: Choice):
    protection = agreed(choice)
    with pytest.raises(IkeFailure, match="not protected by the keys"):
        protection.open(COVERED, protection.seal(COVERED, protection.padded(PLAIN)))


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_padding_that_is_longer_than_what_it_pads_is_named(choice: Choice):
    protection = agreed(choice)
    with pytest.raises(IkeFailure, match="its padding is longer"):
        protection.open(COVERED, turned(protection).seal(COVERED, b"\xff" * 32))


def test_no_key_is_shown():
    for choice in (CHOICES[0], CHOICES[-1]):
        keys = derive(choice, b"shared", bytes(64), bytes(16))
        assert "b'" not in repr(keys)
