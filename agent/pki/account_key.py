"""ACME account key of the appliance: one for every CA, so that the response to HTTP-01 is the same for all."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TYPE_CHECKING, Any

from agent.errors.chain import KeyUnreadable, KeyUnsupported
from agent.pki.key import KeyType, generate_key, load_key, usable_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from agent.pki.private_key import PrivateKey

KEY_TYPE = KeyType.ECDSA_P256
"""Every CA accepts ES256 (RFC 8555 section 6.2), and it signs ten times faster than RSA."""
CURVES = {"secp256r1": "P-256", "secp384r1": "P-384"}
"""As JWK (RFC 7518 section 6.2.1.1) calls those that an account key may be on."""


def make_account_key() -> PrivateKey:
    """Make a new account key."""
    return generate_key(KEY_TYPE)


def load_account_key(data: bytes) -> PrivateKey:
    """Read an account key of another client: a JWK (RFC 7517) or PEM. Raises `KeyUnreadable`, `KeyUnsupported`, `WeakKey`.

    None of them holds anything of the key.
    """
    key = _load_jwk(data) if data.lstrip().startswith(b"{") else load_key(data)
    try:
        thumbprint(key)
    except TypeError:
        raise KeyUnsupported(type(key).__name__.removesuffix("PrivateKey")) from None
    return key


def thumbprint(key: PrivateKey) -> str:
    """Return the JWK thumbprint of an account key (RFC 7638), base64url without padding. Raises TypeError for Ed25519."""
    members = json.dumps(_members(key.public_key()), separators=(",", ":"), sort_keys=True)
    return _base64url(hashlib.sha256(members.encode()).digest())


def _members(public: PublicKeyTypes) -> dict[str, str]:
    """Return what a thumbprint is made of (RFC 7638 section 3.2)."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"e": _unsigned(numbers.e), "kty": "RSA", "n": _unsigned(numbers.n)}
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise TypeError("an account key is an ECDSA or an RSA key")
    size, point = (public.key_size + 7) // 8, public.public_numbers()
    return {"crv": CURVES[public.curve.name], "kty": "EC", "x": _unsigned(point.x, size), "y": _unsigned(point.y, size)}


def _load_jwk(data: bytes) -> PrivateKey:
    """Read a JWK. Errors are raised without their origin: a parser's message may quote the key."""
    try:
        members = json.loads(data)
        return usable_key(_from_jwk(members))
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, RecursionError):
        raise KeyUnreadable("it is damaged or not a key") from None


def _from_jwk(members: dict[str, Any]) -> object:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    numbers = {name: int.from_bytes(_decoded(members[name])) for name in ("n", "e", "d", "x", "y") if name in members}
    if members["kty"] == "EC":
        curve = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}[members["crv"]]
        public = ec.EllipticCurvePublicNumbers(numbers["x"], numbers["y"], curve)
        return ec.EllipticCurvePrivateNumbers(numbers["d"], public).private_key()
    if members["kty"] != "RSA":
        raise KeyError(members["kty"])
    p, q, dp, dq, qi = (int.from_bytes(_decoded(members[name])) for name in ("p", "q", "dp", "dq", "qi"))
    public_numbers = rsa.RSAPublicNumbers(numbers["e"], numbers["n"])
    return rsa.RSAPrivateNumbers(p, q, numbers["d"], dp, dq, qi, public_numbers).private_key()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _unsigned(number: int, size: int = 0) -> str:
    """Return a number as JWK has it (RFC 7518 section 2); `size`: bytes, 0: as few as there need be."""
    return _base64url(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
