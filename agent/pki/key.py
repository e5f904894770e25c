"""Private keys: types, generation, reading. Cheap to import: cryptography is loaded on first use."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING

from agent.errors.chain import KeyUnreadable, KeyUnsupported, WeakKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from agent.pki.private_key import PrivateKey


class KeyKind(StrEnum):
    """Kinds of keys that clients take or don't, whatever the size."""

    RSA = "rsa"
    ELLIPTIC = "elliptic"
    """Of an elliptic curve: ECDSA and Ed25519."""

    @property
    def words(self) -> str:
        """What people call such keys."""
        return "RSA keys" if self is KeyKind.RSA else "elliptic-curve keys"


class KeyType(StrEnum):
    """Type of a key, as modules accept and ask for it."""

    ECDSA_P256 = "ecdsa-p256"
    ECDSA_P384 = "ecdsa-p384"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    ED25519 = "ed25519"
    """For uploaded chains only: no public CA signs it."""

    @property
    def kind(self) -> KeyKind:
        """RSA, or an elliptic curve."""
        return KeyKind.RSA if self.startswith("rsa") else KeyKind.ELLIPTIC


SMALLEST_RSA = 2048
"""Bits (NIST SP 800-57 part 1; OpenSSL's security level 2)."""


def key_type_of(public_key: PublicKeyTypes, *, title: str = "") -> KeyType:
    """Return the type of a public key; an RSA key of an odd size counts as the next smaller type.

    Raises `WeakKey` (which names `title`) and `KeyUnsupported`.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(public_key, rsa.RSAPublicKey):
        return _rsa_type(public_key.key_size, title)
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return _curve_type(public_key.curve.name)
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return KeyType.ED25519
    raise KeyUnsupported(type(public_key).__name__.removesuffix("PublicKey"))


def _rsa_type(bits: int, title: str) -> KeyType:
    if bits < SMALLEST_RSA:
        raise WeakKey(bits, title)
    if bits < 3072:
        return KeyType.RSA_2048
    return KeyType.RSA_3072 if bits < 4096 else KeyType.RSA_4096


def _curve_type(curve: str) -> KeyType:
    types = {"secp256r1": KeyType.ECDSA_P256, "secp384r1": KeyType.ECDSA_P384}
    if curve not in types:
        raise KeyUnsupported(curve)
    return types[curve]


def generate_key(key_type: KeyType) -> PrivateKey:
    """Make a new private key. RSA takes 50 ms (2048 bits) to 500 ms (4096 bits)."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if key_type is KeyType.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    if key_type is KeyType.ECDSA_P256:
        return ec.generate_private_key(ec.SECP256R1())
    if key_type is KeyType.ECDSA_P384:
        return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=int(key_type.removeprefix("rsa-")))


def key_pem(key: PrivateKey) -> bytes:
    """Return a private key as PKCS#8 in PEM, only for sealing."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_der(key: PublicKeyTypes) -> bytes:
    """Return a public key as SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), by which a private key's certificate is found."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def spki_sha256(key: PublicKeyTypes) -> str:
    """Return the SHA-256 of a public key as SubjectPublicKeyInfo, hexadecimal: what a TLSA record ``3 1 1`` has (RFC 6698)."""
    return hashlib.sha256(public_der(key)).hexdigest()


def load_key(pem: bytes) -> PrivateKey:
    """Read the one private key in `pem` (PKCS#8, PKCS#1 or SEC 1); certificates beside it are skipped.

    Raises `KeyUnreadable` and `KeyUnsupported`, neither of which holds anything of the key.
    """
    return _load(_only_block(pem), der=False)


def load_known_key(pem: bytes) -> PrivateKey:
    """Read back a key that was read or made before, and that nobody else could change since: it was sealed.

    The numbers of an RSA key aren't checked once more: that takes 60 ms for 2048 bits, and 400 for 4096. Raises like `load_key`.
    """
    return _load(_only_block(pem), der=False, known=True)


def _only_block(pem: bytes) -> bytes:
    from agent.pki.pem import key_blocks

    blocks = key_blocks(pem)
    if not blocks:
        raise KeyUnreadable("there is no private key")
    if len(blocks) > 1:
        raise KeyUnreadable(f"there are {len(blocks)} private keys")
    return blocks[0]


def load_der_key(der: bytes) -> PrivateKey:
    """Read a private key in DER. Raises like `load_key`."""
    return _load(der, der=True)


def _load(data: bytes, *, der: bool, known: bool = False) -> PrivateKey:
    """Read a key. Errors are raised without their origin: a parser's message may quote the key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    load = serialization.load_der_private_key if der else serialization.load_pem_private_key
    try:
        key = load(data, None, unsafe_skip_rsa_key_validation=known)
    except TypeError:
        raise KeyUnreadable("it is protected by a password") from None
    except UnsupportedAlgorithm:
        raise KeyUnsupported("unknown") from None
    except ValueError:
        raise KeyUnreadable("it is damaged or not a key") from None
    return usable_key(key)


def usable_key(key: object) -> PrivateKey:
    """Return `key` if it is of a supported type and size (narrowed for the type checker). Raises like `key_type_of`."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey)):
        raise KeyUnsupported(type(key).__name__.removesuffix("PrivateKey"))
    key_type_of(key.public_key())
    return key
