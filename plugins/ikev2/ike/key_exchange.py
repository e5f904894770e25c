"""Diffie-Hellman groups: MODP (RFC 2409, 3526), ECP (RFC 5903) and Curve25519 (RFC 8031)."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec, x25519

from plugins.ikev2.ike.failure import Malformed

_MODP = {2: (1024, 129093), 5: (1536, 741804), 14: (2048, 124476), 15: (3072, 1690314), 16: (4096, 240904)}
"""Bits, and the constant in RFC 3526's formula. The short ones for servers with settings for old clients: to be seen, too."""
_CURVES: dict[int, type[ec.EllipticCurve]] = {19: ec.SECP256R1, 20: ec.SECP384R1, 21: ec.SECP521R1}
_CURVE25519 = 31
_UNCOMPRESSED = b"\x04"
_PRIVATE = 512
"""Bits of a private key: twice the strength of the longest of these groups at least (RFC 3526 section 8)."""

GROUPS = (_CURVE25519, *_CURVES, 14, 15, 16, 5, 2)
"""In the order in which they are offered."""


class KeyExchange(Protocol):
    """One side of one exchange; its private key is used once."""

    public: bytes
    """As in the KE payload."""

    def secret(self, other: bytes) -> bytes:
        """Return what both share, by the other's public value. Raises `Malformed`."""


def new_key_exchange(group: int) -> KeyExchange:
    """Begin one in a group of `GROUPS`."""
    if group in _MODP:
        return _Modp(group)
    return _Ecp(group) if group in _CURVES else _Curve25519()


class _Modp:
    """MODP in plain numbers, not in constant time: what it protects is no secret, as no client is authenticated."""

    def __init__(self, group: int) -> None:
        self._size = _MODP[group][0] // 8
        self._prime = prime(group)
        self._private = secrets.randbits(_PRIVATE) | 1 << _PRIVATE
        self.public = pow(2, self._private, self._prime).to_bytes(self._size, "big")

    def secret(self, other: bytes) -> bytes:
        y = int.from_bytes(other, "big")
        if len(other) != self._size or not 1 < y < self._prime - 1:  # RFC 6989 section 2.1
            raise _none_of_the_group()
        return pow(y, self._private, self._prime).to_bytes(self._size, "big")


class _Ecp:
    def __init__(self, group: int) -> None:
        self._curve = _CURVES[group]()
        self._private = ec.generate_private_key(self._curve)
        numbers = self._private.public_key().public_numbers()
        size = (self._curve.key_size + 7) // 8
        self.public = numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")

    def secret(self, other: bytes) -> bytes:
        try:
            public = ec.EllipticCurvePublicKey.from_encoded_point(self._curve, _UNCOMPRESSED + other)
        except ValueError:
            raise _none_of_the_group() from None
        return self._private.exchange(ec.ECDH(), public)


class _Curve25519:
    def __init__(self) -> None:
        self._private = x25519.X25519PrivateKey.generate()
        self.public = self._private.public_key().public_bytes_raw()

    def secret(self, other: bytes) -> bytes:
        try:
            return self._private.exchange(x25519.X25519PublicKey.from_public_bytes(other))
        except ValueError:
            raise _none_of_the_group() from None


def _none_of_the_group() -> Malformed:
    return Malformed("its public value is none of the group")


@cache
def prime(group: int) -> int:
    """Return a MODP group's prime, ``2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + c)`` (RFC 3526)."""
    bits, constant = _MODP[group]
    return (1 << bits) - (1 << (bits - 64)) - 1 + ((_pi(bits - 130) + constant) << 64)


def _pi(bits: int) -> int:
    """Return ``[2^bits pi]`` by Machin's formula."""
    spare = 32
    one = 1 << (bits + spare)
    return 4 * (4 * _arctangent(5, one) - _arctangent(239, one)) >> spare


def _arctangent(inverse: int, one: int) -> int:
    term = total = one // inverse
    odd = 1
    while term:
        term = -(term // (inverse * inverse)) if term > 0 else -term // (inverse * inverse)
        odd += 2
        total += term // odd if term > 0 else -(-term // odd)
    return total
