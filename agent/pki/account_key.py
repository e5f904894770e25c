"""ACME account key of the appliance: one for every CA, so that the response to HTTP-01 is the same for all."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

from agent.pki.key import KeyType, generate_key

if TYPE_CHECKING:
    from agent.pki.key import PrivateKey

KEY_TYPE = KeyType.ECDSA_P256
"""Every CA accepts ES256 (RFC 8555 section 6.2), and it signs ten times faster than RSA."""


def make_account_key() -> PrivateKey:
    """Make a new account key."""
    return generate_key(KEY_TYPE)


def thumbprint(key: PrivateKey) -> str:
    """Return the JWK thumbprint of an account key (RFC 7638), base64url without padding."""
    from cryptography.hazmat.primitives.asymmetric import ec

    numbers = key.public_key().public_numbers()  # type: ignore[union-attr]
    if not isinstance(numbers, ec.EllipticCurvePublicNumbers):
        raise TypeError("an account key is an ECDSA key on P-256")
    members = {"crv": "P-256", "kty": "EC", "x": _coordinate(numbers.x), "y": _coordinate(numbers.y)}
    return _base64url(hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest())


def _coordinate(number: int) -> str:
    return _base64url(number.to_bytes(32, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
