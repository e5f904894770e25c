"""Signed requests (RFC 8555 section 6.2): a key, and how the CA knows it.

josepy signs; the message is written here, because josepy's and acme's classes for it take twice as long as the signature.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.json_util import encode_b64jose
from josepy.jwa import ES256, ES384, RS256, JWASignature
from josepy.jwk import JWK, JWKEC, JWKRSA

from agent.errors.chain import KeyUnsupported

if TYPE_CHECKING:
    from agent.pki.private_key import PrivateKey

CURVES = {"secp256r1": ES256, "secp384r1": ES384}


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """A key, its algorithm, and the URL of the account that is known by it."""

    key: JWK
    algorithm: JWASignature
    account: str | None = None
    """Key id; None: the whole public key goes along."""

    @classmethod
    def of(cls, key: PrivateKey) -> Signer:
        """Return a signer with `key`. Raises `agent.errors.chain.KeyUnsupported`: ACME has no Ed25519 in practice."""
        if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
            return cls(JWKEC(key=key), CURVES[key.curve.name])
        if isinstance(key, rsa.RSAPrivateKey):
            return cls(JWKRSA(key=key), RS256)
        raise KeyUnsupported(type(key).__name__.removesuffix("PrivateKey"))

    def sign(self, payload: bytes, *, url: str, nonce: bytes | None) -> bytes:
        """Return the signed message as JSON; only the inner one of a key change has no nonce (RFC 8555 section 7.3.5)."""
        named = {"kid": self.account} if self.account else {"jwk": self.key.public_key().to_json()}
        once = {"nonce": encode_b64jose(nonce)} if nonce else {}
        protected = encode_b64jose(json.dumps({"alg": self.algorithm.name, **once, "url": url, **named}).encode())
        content = encode_b64jose(payload)
        signature = self.algorithm.sign(self.key.key, f"{protected}.{content}".encode())
        return json.dumps({"protected": protected, "payload": content, "signature": encode_b64jose(signature)}).encode()
