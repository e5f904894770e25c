"""Signed requests (RFC 8555 section 6.2): a key, and how the CA knows it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.json_util import encode_b64jose
from josepy.jwa import ES256, ES384, RS256, JWASignature
from josepy.jwk import JWK, JWKEC, JWKRSA

from agent.errors.chain import KeyUnsupported

if TYPE_CHECKING:
    from agent.pki.key import PrivateKey

CURVES = {"secp256r1": ES256, "secp384r1": ES384}


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """A key, its algorithm, and the URL of the account that it stands for."""

    key: JWK
    algorithm: JWASignature
    account: str = ""
    """Key id; empty: the whole public key goes along."""

    @classmethod
    def of(cls, key: PrivateKey, account: str = "") -> Signer:
        """Return a signer with `key`. Raises `agent.errors.chain.KeyUnsupported`: ACME has no Ed25519 in practice."""
        if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
            return cls(JWKEC(key=key), CURVES[key.curve.name], account)
        if isinstance(key, rsa.RSAPrivateKey):
            return cls(JWKRSA(key=key), RS256, account)
        raise KeyUnsupported(type(key).__name__.removesuffix("PrivateKey"))

    def known_as(self, account: str) -> Signer:
        """Return the same key, known by its account's URL."""
        return replace(self, account=account)

    def sign(self, payload: bytes, *, url: str, nonce: bytes | None) -> bytes:
        """Return the flattened JWS (RFC 7515 section 7.2.2) as JSON.

        Only the inner one of a key change has no nonce (RFC 8555 section 7.3.5).
        """
        header: dict[str, object] = {"alg": self.algorithm.name, "url": url}
        if nonce is not None:
            header["nonce"] = encode_b64jose(nonce)
        header |= {"kid": self.account} if self.account else {"jwk": self.public}
        protected, content = encode_b64jose(json.dumps(header).encode()), encode_b64jose(payload)
        signature = self.algorithm.sign(self.key.key, f"{protected}.{content}".encode())
        signed = {"protected": protected, "payload": content, "signature": encode_b64jose(signature)}
        return json.dumps(signed).encode()

    @property
    def public(self) -> dict[str, object]:
        """The public key as a JWK."""
        return dict(self.key.public_key().to_partial_json())
