"""Opening of private keys. Errors say what is the matter, as far as it can be known, and hold nothing of the key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from agent.errors.chain import KeyUnsupported
from agent.errors.upload import CipherUnsupported, Damaged, PassphraseMissing, PassphraseWrong, UploadError
from agent.inspection.encoding_kind import EncodingKind, kind_of
from agent.inspection.openssl_key import KeyNotOpened, Obstacle, cipher_of, cipher_of_headers, is_old, open_with_openssl
from agent.inspection.pem_blocks import Block
from agent.pki.asn1 import OCTET_STRING, SEQUENCE, encoded, value_at, why_cut
from agent.pki.key import usable_key
from agent.pki.parser_errors import reason_of_key, unsupported_kind

if TYPE_CHECKING:
    from agent.pki.private_key import PrivateKey

WRONG = "Incorrect password"
"""Beginning of cryptography's message where a key could not be decrypted."""
ENCRYPTED = "ENCRYPTED PRIVATE KEY"
TRIAL = bytes(64)


def open_key(der: bytes, place: str) -> PrivateKey:
    """Open a key that is not encrypted. Raises `Damaged`, `KeyUnsupported` and `WeakKey`."""
    with naming_its_kind():
        try:
            return usable_key(load_der_private_key(der, None))
        except (UnsupportedAlgorithm, ValueError, TypeError) as error:
            with suppress(ValueError):  # OpenSSL knows RFC 5958's second version, and more ways to write down a curve
                return usable_key(open_with_openssl(der))
            if isinstance(error, UnsupportedAlgorithm):
                raise
            raise Damaged(place, EncodingKind.KEY.value, why_cut(der) or reason_of_key(error)) from None


def open_encrypted_key(der: bytes, place: str, passphrase: bytes | None) -> PrivateKey:
    """Open an encrypted key (RFC 5958 section 3). Raises as `open_key` does, and for the passphrase and the cipher."""
    if kind_of(der) is not EncodingKind.ENCRYPTED_KEY:
        reason = why_cut(der) or "its structure is not that of RFC 5958"
        raise Damaged(place, EncodingKind.ENCRYPTED_KEY.value, reason)
    algorithm = next(value_at(der, 0).children())
    if not passphrase:
        raise _passphrase_missing(algorithm.encoded(), place)
    return _decrypted(Block(ENCRYPTED, der), cipher_of(algorithm.encoded()), place, passphrase)


def open_traditional_key(block: Block, place: str, passphrase: bytes | None) -> PrivateKey:
    """Open a key in OpenSSL's traditional form, encrypted as its headers say. Raises as `open_encrypted_key` does."""
    if not any("ENCRYPTED" in line for line in block.headers):
        return open_key(block.der, place)
    if not passphrase:
        raise _passphrase_missing(block.headers, place)
    return _decrypted(block, cipher_of_headers(block.headers), place, passphrase)


def unsupported_cipher(algorithm: bytes, passphrase: bytes) -> str:
    """Return the name of a cipher if OpenSSL doesn't have it; empty where it has. Tried on a key that isn't one."""
    trial = Block(ENCRYPTED, encoded(SEQUENCE, algorithm, encoded(OCTET_STRING, TRIAL)))
    try:
        open_with_openssl(trial.text(), passphrase)
    except KeyNotOpened as refused:
        return cipher_of(algorithm) if refused.obstacle is Obstacle.CIPHER else ""
    return ""


@contextmanager
def naming_its_kind() -> Iterator[None]:
    """Raise `KeyUnsupported` with the kind of key, where a parser knows it and supports it not."""
    try:
        yield
    except UnsupportedAlgorithm as error:
        raise KeyUnsupported(unsupported_kind(error)) from None


def _passphrase_missing(algorithm: bytes | Sequence[str], place: str) -> PassphraseMissing:
    providers = "-provider default -provider legacy " if is_old(algorithm) else ""
    return PassphraseMissing(place, command=f"openssl pkey {providers}-in FILE -out plain.pem")


def _decrypted(block: Block, cipher: str, place: str, passphrase: bytes) -> PrivateKey:
    text = block.text()
    with naming_its_kind():
        try:
            return usable_key(load_pem_private_key(text, passphrase))
        except (ValueError, TypeError) as error:
            if str(error).startswith(WRONG):
                raise PassphraseWrong(place) from None
        except UnsupportedAlgorithm:
            pass
        try:
            return usable_key(open_with_openssl(text, passphrase))
        except KeyNotOpened as refused:
            raise _refusal(refused.obstacle, place, cipher) from None
        except ValueError as error:
            raise Damaged(place, EncodingKind.ENCRYPTED_KEY.value, reason_of_key(error)) from None


def _refusal(obstacle: Obstacle, place: str, cipher: str) -> UploadError:
    if obstacle is Obstacle.CIPHER:
        return CipherUnsupported(place, cipher)
    if obstacle is Obstacle.HEADERS:
        return Damaged(place, EncodingKind.ENCRYPTED_KEY.value, "its Proc-Type and DEK-Info lines are malformed")
    return PassphraseWrong(place)
