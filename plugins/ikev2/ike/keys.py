"""Keys of an IKE SA, derived from the agreement (RFC 7296 sections 2.13, 2.14)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field

from plugins.ikev2.ike.ciphers import INTEGRITY, PRFS, CbcProtection, GcmProtection, Protection
from plugins.ikev2.ike.proposal import Choice

_SALT = 4


@dataclass(frozen=True)
class Keys:
    """Keys that a client needs."""

    protection: Protection
    digest: str
    """The PRF's hash."""
    proving: bytes = field(repr=False)
    """SK_pr: goes into what the server signs."""

    def prf(self, data: bytes) -> bytes:
        """Return ``prf(SK_pr, data)``."""
        return hmac.digest(self.proving, data, self.digest)


def derive(choice: Choice, secret: bytes, nonces: bytes, spis: bytes) -> Keys:
    """Return the keys. `nonces` and `spis` are those of the initiator and of the responder, in this order."""
    digest = PRFS[choice.prf]
    size = hashlib.new(digest, usedforsecurity=False).digest_size
    stream = _Stream(_prf_plus(digest, hmac.digest(nonces, secret, digest), nonces + spis))
    stream.take(size)  # SK_d, from which keys of ESP would come
    octets = choice.key_length // 8
    protection: Protection
    if choice.integrity is None:
        protection = GcmProtection(stream.take(octets + _SALT), stream.take(octets + _SALT))
    else:
        algorithm, checksum = INTEGRITY[choice.integrity]
        mac = hashlib.new(algorithm, usedforsecurity=False).digest_size
        macs = stream.take(mac), stream.take(mac)
        protection = CbcProtection(stream.take(octets), stream.take(octets), *macs, algorithm, checksum)
    stream.take(size)  # SK_pi, with which this side would prove itself
    return Keys(protection, digest, stream.take(size))


class _Stream:
    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._left = b""

    def take(self, octets: int) -> bytes:
        while len(self._left) < octets:
            self._left += next(self._blocks)
        taken, self._left = self._left[:octets], self._left[octets:]
        return taken


def _prf_plus(digest: str, key: bytes, seed: bytes) -> Iterator[bytes]:
    """RFC 7296 section 2.13."""
    block = b""
    for counter in range(1, 256):
        block = hmac.digest(key, block + seed + bytes([counter]), digest)
        yield block
