"""Decryption of what a PKCS#12 file has encrypted as a whole, and its MAC (RFC 7292, RFC 8018).

Parsers show only one key of what they decrypt. Ciphers that nobody writes any more are left to them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4, Camellia, TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from agent.pki.asn1 import INTEGER, SEQUENCE, Asn1Error, Value, dotted, value_at
from agent.pki.pkcs12_derivation import FOR_IV, FOR_KEY, FOR_MAC, derived, wide

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherAlgorithm

PBES2, PBKDF2, SCRYPT = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12", "1.3.6.1.4.1.11591.4.11"
SHA1 = "sha1"
HMACS = {
    f"1.2.840.113549.2.{last}": name
    for last, name in {7: SHA1, 8: "sha224", 9: "sha256", 10: "sha384", 11: "sha512"}.items()
}
DIGESTS = {
    "1.3.14.3.2.26": SHA1,
    **{
        f"2.16.840.1.101.3.4.2.{last}": name
        for last, name in {1: "sha256", 2: "sha384", 3: "sha512", 4: "sha224"}.items()
    },
}
CIPHERS: dict[str, tuple[type[AES | Camellia | TripleDES], int]] = {
    "2.16.840.1.101.3.4.1.2": (AES, 16),
    "2.16.840.1.101.3.4.1.22": (AES, 24),
    "2.16.840.1.101.3.4.1.42": (AES, 32),
    "1.2.392.200011.61.1.1.1.2": (Camellia, 16),
    "1.2.392.200011.61.1.1.1.4": (Camellia, 32),
    "1.2.840.113549.3.7": (TripleDES, 24),
}
"""Ciphers in CBC mode, and the octets of their keys (RFC 8018 appendix B.2)."""
OLD_CIPHERS: dict[str, tuple[type[ARC4 | TripleDES], int]] = {
    "1.2.840.113549.1.12.1.1": (ARC4, 16),
    "1.2.840.113549.1.12.1.2": (ARC4, 5),
    "1.2.840.113549.1.12.1.3": (TripleDES, 24),
    "1.2.840.113549.1.12.1.4": (TripleDES, 16),
}
"""The same of RFC 7292 appendix C, without RC2."""
UNSOUND = (ValueError, IndexError, OverflowError)
"""Errors of structures and of parameters that are not possible."""


def decrypted(algorithm: Value, content: bytes, secret: bytes | None) -> Value | None:
    """Return the sequence that was encrypted; None where `secret` or the cipher is another one, or it is not sound."""
    with suppress(*UNSOUND):
        return _decrypted(algorithm, content, secret)
    return None


def _decrypted(algorithm: Value, content: bytes, secret: bytes | None) -> Value | None:
    kind, parameters = list(algorithm.children())[:2]
    for plain in _plain(dotted(kind.content), parameters, content, secret):
        try:
            value = value_at(plain, 0)
        except Asn1Error:
            continue
        if value.tag == SEQUENCE and len(plain) - value.size <= AES.block_size // 8:  # what is behind it is padding
            return value
    return None


def fits_mac(mac: Value, content: bytes, secret: bytes | None) -> bool:
    """Whether a MAC is that of `content` with `secret`; not where it is of an unknown kind or not sound."""
    with suppress(*UNSOUND):
        return _fits_mac(mac, content, secret)
    return False


def _fits_mac(mac: Value, content: bytes, secret: bytes | None) -> bool:
    made, salt, *rounds = mac.children()
    algorithm, expected = made.children()
    digest = DIGESTS.get(dotted(_first(algorithm).content))
    if digest is None:
        return False
    number, size = _number(rounds[0]) if rounds else 1, len(expected.content)
    keys = (derived(digest, FOR_MAC, each, salt.content, number, size) for each in wide(secret))
    return any(hmac.compare_digest(hmac.digest(key, content, digest), expected.content) for key in keys)


def _plain(kind: str, parameters: Value, content: bytes, secret: bytes | None) -> Iterator[bytes]:
    """Yield what comes out with each form of the passphrase."""
    if kind == PBES2:
        derivation, (cipher, iv) = (list(each.children()) for each in parameters.children())
        known = CIPHERS.get(dotted(cipher.content))
        key = _key_of(derivation, known[1], secret or b"") if known else None
        if known and key:
            yield _through(known[0](key), iv.content, content)
    elif kind in OLD_CIPHERS:
        algorithm, size = OLD_CIPHERS[kind]
        salt, rounds = parameters.children()
        for form in wide(secret):
            key = derived(SHA1, FOR_KEY, form, salt.content, _number(rounds), size)
            iv8 = derived(SHA1, FOR_IV, form, salt.content, _number(rounds), 8)
            yield _through(algorithm(key + key[:8] if size == 16 and algorithm is TripleDES else key), iv8, content)


def _through(algorithm: CipherAlgorithm, iv: bytes, content: bytes) -> bytes:
    decryptor = Cipher(algorithm, None if isinstance(algorithm, ARC4) else CBC(iv)).decryptor()
    return decryptor.update(content) + decryptor.finalize()


def _key_of(derivation: list[Value], size: int, secret: bytes) -> bytes | None:
    """Return the key of PBES2 (RFC 8018 appendix A.2, RFC 7914 section 7); None for another derivation."""
    kind, parameters = derivation
    salt, *more = parameters.children()
    if dotted(kind.content) == SCRYPT:
        cost, blocks, parallel = map(_number, more[:3])
        return hashlib.scrypt(secret, salt=salt.content, n=cost, r=blocks, p=parallel, maxmem=2**31 - 1, dklen=size)
    if dotted(kind.content) != PBKDF2:
        return None
    named = [_first(each) for each in more[1:] if each.tag == SEQUENCE]
    digest = HMACS.get(dotted(named[0].content)) if named else SHA1
    return hashlib.pbkdf2_hmac(digest, secret, salt.content, _number(more[0]), size) if digest else None


def _first(value: Value) -> Value:
    for child in value.children():
        return child
    raise Asn1Error


def _number(value: Value) -> int:
    if value.tag != INTEGER:
        raise Asn1Error
    return int.from_bytes(value.content, "big")
