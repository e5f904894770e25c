"""Decoding of keys, certificates and bundles. No parser's message about a key is passed on: it may quote the key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12KeyAndCertificates, load_pkcs12

from agent.errors.upload import (
    CipherUnsupported,
    Damaged,
    OddCertificate,
    PassphraseMissing,
    PassphraseWrong,
    UploadError,
)
from agent.inspection.encoding_kind import EncodingKind
from agent.inspection.extensions import extension_name, malformed_extensions
from agent.inspection.key_opening import naming_its_kind, open_encrypted_key, open_key, unsupported_cipher
from agent.inspection.openssl_key import is_old
from agent.inspection.pkcs12 import each_key, encryptions, is_opened_by, is_protected, without_mac
from agent.pki.asn1 import Asn1Error, why_cut
from agent.pki.certificate import MALFORMED, checked, quietly, short, title_of
from agent.pki.key import usable_key
from agent.pki.parser_errors import reason_of, reason_of_key

if TYPE_CHECKING:
    from agent.pki.private_key import PrivateKey

NOT_OPENED = "PKCS12 data"
"""End of cryptography's messages about a file, not about a certificate in it."""

CHANGED = "its content has changed since its checksum (MAC) was made"
KEY_NOT_OPENED = "the passphrase opens it, but not a key in it, which is malformed or has another passphrase"


@dataclass(frozen=True, slots=True)
class Opened:
    """Content of one file or block."""

    keys: tuple[PrivateKey, ...] = field(default=(), repr=False)
    certificates: tuple[x509.Certificate, ...] = ()


def open_der(der: bytes, kind: EncodingKind, place: str, passphrase: bytes | None) -> Opened:
    """Open a structure whose `kind` holds keys or certificates. Raises an `UploadError`, or a `ChainError` about the key."""
    if kind is EncodingKind.CERTIFICATE:
        return Opened(certificates=(_certificate(der, place),))
    if kind is EncodingKind.PKCS7:
        return Opened(certificates=_bundle(der, place))
    if kind is EncodingKind.PKCS12:
        return _open_pkcs12(der, place, passphrase)
    if kind is EncodingKind.ENCRYPTED_KEY:
        return Opened(keys=(open_encrypted_key(der, place, passphrase),))
    return Opened(keys=(open_key(der, place),))


def _open_pkcs12(der: bytes, place: str, passphrase: bytes | None) -> Opened:
    """Open a PKCS#12 file; one without a passphrase, or with an empty one, whatever passphrase was given."""
    for secret in _secrets(passphrase):
        content = _parsed(der, secret, place)
        if content is not None:
            found = [each for each in (content.cert, *content.additional_certs) if each is not None]
            certificates = tuple(_checked(each.certificate, place) for each in found)
            return Opened(tuple(_keys(der, secret, place, content)), certificates)
    raise _why_not_opened(der, place, passphrase)


def _secrets(passphrase: bytes | None) -> Iterator[bytes | None]:
    """Yield what may open a PKCS#12 file, whose passphrases are text: UTF-8, else any one-byte encoding."""
    if passphrase:
        try:
            yield passphrase.decode().encode()
        except UnicodeDecodeError:
            yield passphrase.decode("latin-1").encode()
    yield None


def _parsed(der: bytes, secret: bytes | None, place: str) -> PKCS12KeyAndCertificates | None:
    """Return the content; None where the file is not opened by `secret`. Raises `Damaged` about a certificate in it."""
    with naming_its_kind():
        try:
            with quietly():
                return load_pkcs12(der, secret)
        except MALFORMED as error:
            if str(error).endswith(NOT_OPENED):
                return None
            of_certificate = "ParseError" in str(error) or not isinstance(error, ValueError)
            reason = f"{reason_of(error)} (a certificate)" if of_certificate else f"{reason_of_key(error)} (the key)"
            raise Damaged(place, EncodingKind.PKCS12.value, reason) from None


def _keys(der: bytes, secret: bytes | None, place: str, content: PKCS12KeyAndCertificates) -> Iterator[PrivateKey]:
    """Yield each key, where there are several; else the one that parsers see."""
    try:
        files = each_key(der, secret)
    except Asn1Error:
        files = []
    if len(files) < 2:
        yield from [usable_key(content.key)] if content.key else []
        return
    for number, file in enumerate(files, start=1):
        found = _parsed(file, secret, place)
        if found is None:
            raise PassphraseWrong(f"{place}, key {number}")
        yield usable_key(found.key)


def _why_not_opened(der: bytes, place: str, passphrase: bytes | None) -> UploadError:
    """Return why no passphrase opens a PKCS#12 file; a parser only says that it doesn't."""
    what = EncodingKind.PKCS12.value
    try:
        if not is_protected(der):
            return Damaged(place, what, "a key or a certificate in it is malformed")
        if not passphrase:
            legacy = "-legacy " if any(map(is_old, encryptions(der))) else ""
            return PassphraseMissing(
                place, "The PKCS#12 file", f"openssl pkcs12 {legacy}-in FILE -nodes -out plain.pem"
            )
        return _why_not_decrypted(der, place, passphrase)
    except Asn1Error:
        return Damaged(place, what, why_cut(der) or "its structure is not that of RFC 7292 with a passphrase")


def _why_not_decrypted(der: bytes, place: str, passphrase: bytes) -> UploadError:
    """Return what is wrong: the cipher, the content, a key, or the passphrase. Raises `Asn1Error`."""
    algorithms, content = encryptions(der), without_mac(der)
    for algorithm in dict.fromkeys(algorithms):
        if cipher := unsupported_cipher(algorithm, passphrase):
            return CipherUnsupported(place, cipher)
    secrets = list(_secrets(passphrase))
    if algorithms and any(_parsed(content, secret, place) for secret in secrets):
        return Damaged(place, EncodingKind.PKCS12.value, CHANGED)
    right = any(is_opened_by(der, secret) for secret in secrets)
    return Damaged(place, EncodingKind.PKCS12.value, KEY_NOT_OPENED) if right else PassphraseWrong(place)


def _bundle(der: bytes, place: str) -> tuple[x509.Certificate, ...]:
    try:
        with quietly():
            found = pkcs7.load_der_pkcs7_certificates(der)
    except (*MALFORMED, UnsupportedAlgorithm) as error:
        raise Damaged(place, EncodingKind.PKCS7.value, why_cut(der) or reason_of(error), str(error)) from error
    return tuple(_checked(certificate, place) for certificate in found)


def _certificate(der: bytes, place: str) -> x509.Certificate:
    try:
        with quietly():
            found = x509.load_der_x509_certificate(der)
    except MALFORMED as error:
        raise Damaged(place, EncodingKind.CERTIFICATE.value, why_cut(der) or reason_of(error), str(error)) from error
    return _checked(found, place)


def _checked(certificate: x509.Certificate, place: str) -> x509.Certificate:
    """Return a certificate of which all has been parsed. A root may have the serial number 0; old ones have it."""
    try:
        with quietly():
            serial = certificate.serial_number
            if serial < 0 or (serial == 0 and certificate.subject != certificate.issuer):
                number = "negative" if serial else "0"
                raise OddCertificate(title_of(certificate), f"its serial number is {number} (RFC 5280 section 4.1.2.2)")
            return checked(certificate)
    except MALFORMED as error:
        raise _why_odd(certificate, error, place) from error


def _why_odd(certificate: x509.Certificate, error: Exception, place: str) -> UploadError:
    """Return what is wrong in a certificate whose outer structure is sound."""
    subject = _subject(certificate) or place
    if isinstance(error, x509.DuplicateExtension):
        return OddCertificate(subject, reason_of(error))
    if isinstance(error, x509.UnsupportedGeneralNameType):
        return Damaged(place, EncodingKind.CERTIFICATE.value, reason_of(error), str(error))
    with suppress(*MALFORMED, Asn1Error):
        for oid, reason in malformed_extensions(certificate.public_bytes(Encoding.DER)):
            return OddCertificate(subject, f"its extension {extension_name(oid)} can't be read: {reason}")
    return Damaged(place, EncodingKind.CERTIFICATE.value, reason_of(error), str(error))


def _subject(certificate: x509.Certificate) -> str:
    """Return a title of the subject, empty where there is none, or none that can be read."""
    with suppress(*MALFORMED):
        return short(certificate.subject) if certificate.subject.rdns else ""
    return ""
