"""Decoding of keys, certificates and bundles. No parser's message about a key is passed on: it may quote the key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_pem_private_key,
    pkcs7,
    pkcs12,
)

from agent.errors.chain import KeyUnsupported
from agent.errors.upload import Damaged, OddCertificate, PassphraseMissing, PassphraseWrong
from agent.inspection.asn1 import EncodingKind
from agent.inspection.pem_blocks import Block
from agent.pki.certificate import MALFORMED, checked, quietly, title_of
from agent.pki.key import usable_key

if TYPE_CHECKING:
    from agent.pki.key import PrivateKey


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
    secret = passphrase if kind is EncodingKind.ENCRYPTED_KEY else None
    return Opened(keys=(_key(lambda: load_der_private_key(der, secret), kind, place, passphrase),))


def open_pem_key(block: Block, place: str, passphrase: bytes | None) -> Opened:
    """Open a key in OpenSSL's traditional form, encrypted as its headers say. Raises as `open_der` does."""
    encrypted = any("ENCRYPTED" in line for line in block.headers)
    kind = EncodingKind.ENCRYPTED_KEY if encrypted else EncodingKind.KEY
    text = block.text()
    secret = passphrase if encrypted else None
    return Opened(keys=(_key(lambda: load_pem_private_key(text, secret), kind, place, passphrase),))


def _key(load: Callable[[], object], kind: EncodingKind, place: str, passphrase: bytes | None) -> PrivateKey:
    """Read a key. Any error of an encrypted one counts as a wrong passphrase, which may decrypt to anything."""
    encrypted = kind is EncodingKind.ENCRYPTED_KEY
    if encrypted and not passphrase:
        raise PassphraseMissing(place)
    try:
        key = load()
    except UnsupportedAlgorithm:
        raise KeyUnsupported("unknown") from None
    except (ValueError, TypeError):
        raise (PassphraseWrong(place) if encrypted else Damaged(place, kind.value)) from None
    return usable_key(key)


def _open_pkcs12(der: bytes, place: str, passphrase: bytes | None) -> Opened:
    """Open a PKCS#12 file; one without a passphrase, or with an empty one, whatever passphrase was given."""
    for secret in dict.fromkeys((passphrase, None)):
        try:
            with quietly():
                content = pkcs12.load_pkcs12(der, secret)
        except UnsupportedAlgorithm:
            raise KeyUnsupported("unknown") from None
        except (*MALFORMED, TypeError):
            continue
        found = [content.cert, *content.additional_certs]
        certificates = tuple(_checked(each.certificate, place) for each in found if each is not None)
        return Opened((usable_key(content.key),) if content.key else (), certificates)
    raise PassphraseWrong(place) if passphrase else PassphraseMissing(place)


def _bundle(der: bytes, place: str) -> tuple[x509.Certificate, ...]:
    try:
        with quietly():
            found = pkcs7.load_der_pkcs7_certificates(der)
    except (*MALFORMED, UnsupportedAlgorithm) as error:
        raise Damaged(place, EncodingKind.PKCS7.value, str(error)) from error
    return tuple(_checked(certificate, place) for certificate in found)


def _certificate(der: bytes, place: str) -> x509.Certificate:
    try:
        with quietly():
            found = x509.load_der_x509_certificate(der)
    except MALFORMED as error:
        raise Damaged(place, EncodingKind.CERTIFICATE.value, str(error)) from error
    return _checked(found, place)


def _checked(certificate: x509.Certificate, place: str) -> x509.Certificate:
    try:
        with quietly():
            if certificate.serial_number < 0:
                raise OddCertificate(title_of(certificate), "its serial number is negative (RFC 5280 section 4.1.2.2)")
            return checked(certificate)
    except MALFORMED as error:
        raise Damaged(place, EncodingKind.CERTIFICATE.value, str(error)) from error
