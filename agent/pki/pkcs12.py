"""PKCS#12 files with a passphrase (RFC 7292): what leaves the appliance, and so is worth guessing at for long.

The library chooses 2,048 rounds for the MAC. Whoever has a file would guess there, however many the cipher has.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.pki.asn1 import INTEGER, NULL, OCTET_STRING, OID, SEQUENCE, encoded, value_at
from agent.pki.pkcs12_derivation import FOR_MAC, derived, wide

if TYPE_CHECKING:
    from cryptography import x509

    from agent.pki.private_key import PrivateKey

ROUNDS = 600_000
"""Of PBKDF2 with HMAC-SHA-256 for the cipher, as OWASP recommends; and of the MAC's derivation. About a second in all."""
SALT_BYTES = 16
DIGEST = "sha256"
SHA256 = bytes.fromhex("608648016503040201")  # 2.16.840.1.101.3.4.2.1
MAC_BYTES = 32


def protected(
    title: bytes,
    key: PrivateKey | None,
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    passphrase: bytes,
) -> bytes:
    """Return a file that is encrypted with AES-256 and has a MAC with SHA-256. `passphrase`: UTF-8, not empty."""
    from cryptography.hazmat.primitives.hashes import SHA256 as HMAC_SHA256
    from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(HMAC_SHA256())
        .build(passphrase)
    )
    return _with_mac(pkcs12.serialize_key_and_certificates(title, key, leaf, others or None, encryption), passphrase)


def _with_mac(der: bytes, passphrase: bytes) -> bytes:
    """Return the same file with a MAC of its content that has as many rounds (RFC 7292 section 4)."""
    version, safe, *_ = value_at(der, 0).children()
    _, tagged = safe.children()
    (content,) = tagged.children()
    salt = secrets.token_bytes(SALT_BYTES)
    (form,) = wide(passphrase)
    key = derived(DIGEST, FOR_MAC, form, salt, ROUNDS, MAC_BYTES)
    algorithm = encoded(SEQUENCE, encoded(OID, SHA256), encoded(NULL))
    digest = encoded(SEQUENCE, algorithm, encoded(OCTET_STRING, hmac.digest(key, content.content, DIGEST)))
    rounds = encoded(INTEGER, ROUNDS.to_bytes(3, "big"))
    mac = encoded(SEQUENCE, digest, encoded(OCTET_STRING, salt), rounds)
    return encoded(SEQUENCE, version.encoded(), safe.encoded(), mac)
