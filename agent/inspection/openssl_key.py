"""Private keys that cryptography doesn't open, opened by OpenSSL itself: with every cipher that it has, on any named curve."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto

from agent.pki.asn1 import Asn1Error, dotted, value_at

KEY_DERIVATIONS = {"1.2.840.113549.1.5.12", "1.3.6.1.4.1.11591.4.11"}
"""PBKDF2 (RFC 8018 appendix A.2) and scrypt (RFC 7914 section 7)."""
PBES2 = "1.2.840.113549.1.5.13"
NAMES = {
    "1.2.840.113549.1.5.1": "DES and MD2",
    "1.2.840.113549.1.5.4": "RC2 and MD2",
    "1.3.6.1.4.1.188.7.1.1.2": "IDEA",
    "2.16.840.1.101.3.4.1.6": "AES-128-GCM",
    "2.16.840.1.101.3.4.1.46": "AES-256-GCM",
}
"""Ciphers that are known, and that OpenSSL doesn't have here (RFC 8018 appendix A.3). Others are called by their identifiers."""
OF_TODAY = re.compile(
    r"(AES|ARIA|CAMELLIA|SM4|DES-EDE3)-.*|2\.16\.840\.1\.101\.3\.4\.1\..*|1\.2\.392\.200011\.61\.1\.1\.1\..*|"
    r"1\.2\.410\.200046\.1\.1\..*|1\.2\.840\.113549\.3\.7|1\.2\.840\.113549\.1\.12\.1\.[34]"
)
"""Ciphers that the command `openssl` knows without its legacy provider: names, and identifiers of AES, Camellia, ARIA, 3DES."""
NOT_DECRYPTED = "bad decrypt"
UNSUPPORTED = ("digital envelope routines", "unsupported encryption")
"""Library and reason of OpenSSL's errors about a cipher."""
HEADERS = "PEM routines"


UNNAMED = "a cipher that is not named"


class Obstacle(Enum):
    """What keeps a key from being opened."""

    CIPHER = auto()
    HEADERS = auto()
    PASSPHRASE = auto()


class KeyNotOpened(ValueError):
    """A key that OpenSSL doesn't open."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.name)
        self.obstacle = obstacle


def open_with_openssl(data: bytes, passphrase: bytes | None = None) -> object:
    """Return the key in `data`: PEM, where there is a passphrase, else DER.

    Raises `KeyNotOpened`; `UnsupportedAlgorithm` for a key that cryptography can't hold, `ValueError` for a wrong one.
    """
    from OpenSSL import crypto

    form = crypto.FILETYPE_ASN1 if passphrase is None else crypto.FILETYPE_PEM
    try:
        return crypto.load_privatekey(form, data, passphrase).to_cryptography_key()
    except crypto.Error as error:
        raise KeyNotOpened(_obstacle(error.args[0] if error.args else ())) from None


def _obstacle(errors: Sequence[tuple[str, str, str]]) -> Obstacle:
    """Return what OpenSSL's errors tell: library, function, reason."""
    reasons = {reason for _, _, reason in errors}
    libraries = {library for library, _, _ in errors}
    if NOT_DECRYPTED in reasons:
        return Obstacle.PASSPHRASE
    if (libraries | reasons).intersection(UNSUPPORTED):
        return Obstacle.CIPHER
    return Obstacle.HEADERS if HEADERS in libraries else Obstacle.PASSPHRASE  # it decrypted, to something else


def cipher_of_headers(headers: Sequence[str]) -> str:
    """Return the cipher of a key in OpenSSL's traditional form."""
    return _named_in(headers) or UNNAMED


def is_old(algorithm: bytes | Sequence[str]) -> bool:
    """Whether only OpenSSL's legacy provider has the cipher of an `AlgorithmIdentifier`, or of a traditional key's headers."""
    with suppress(Asn1Error, ValueError, IndexError, StopIteration):
        name = _identifiers(algorithm)[0] if isinstance(algorithm, bytes) else _named_in(algorithm)
        return OF_TODAY.fullmatch(name) is None
    return False


def _named_in(headers: Sequence[str]) -> str:
    info = next((line for line in headers if line.startswith("DEK-Info:")), "")
    return info.removeprefix("DEK-Info:").partition(",")[0].strip()[:40]


def _identifiers(algorithm: bytes) -> tuple[str, str]:
    """Return the identifiers of the cipher, and of the key derivation of PBES2. Raises errors of unsound structures."""
    kind, parameters = list(value_at(algorithm, 0).children())[:2]
    if dotted(kind.content) != PBES2:
        return dotted(kind.content), ""
    derivation, kind = [next(each.children()) for each in list(parameters.children())[:2]]
    return dotted(kind.content), dotted(derivation.content)


def cipher_of(algorithm: bytes) -> str:
    """Return the cipher of an `AlgorithmIdentifier` of encryption; of PBES2 the one that it uses (RFC 8018 appendix A.4)."""
    try:
        identifier, derivation = _identifiers(algorithm)
    except (Asn1Error, ValueError, IndexError, StopIteration):
        return UNNAMED
    if derivation and derivation not in KEY_DERIVATIONS:
        return f"the key derivation {derivation}"
    return NAMES.get(identifier, f"the cipher {identifier}")
