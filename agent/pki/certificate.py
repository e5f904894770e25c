"""Reading of single X.509 certificates (RFC 5280)."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, SignatureAlgorithmOID

from agent.errors.chain import CertificateUnreadable, ChainError, KeyUnsupported
from agent.errors.name import NameInvalid
from agent.pki.distinguished_names import same_name
from agent.pki.key import KeyType, key_type_of
from agent.pki.parser_errors import NOT_POSITIVE, reason_of
from agent.pki.pem import certificate_blocks
from agent.pki.purpose import Purpose
from agent.system.names import is_address, parse_name
from agent.system.text import printable

Extension = TypeVar("Extension", bound=x509.ExtensionType)

LONGEST_TITLE = 100
VERIFIED = 256
"""Signatures whose verification is remembered."""
MALFORMED = (ValueError, TypeError, x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType)
"""Exceptions of cryptography for a malformed certificate (RFC 5280 section 4); TypeError: a constraint without a mask."""
OLD_SIGNATURES = {
    SignatureAlgorithmOID.RSA_WITH_MD5: padding.PKCS1v15(),
    SignatureAlgorithmOID.ECDSA_WITH_SHA1: ec.ECDSA(hashes.SHA1()),  # noqa: S303
}
"""Parameters of algorithms for which cryptography tells none. Roots are still signed with them, which nobody relies on."""

PURPOSES = {ExtendedKeyUsageOID.SERVER_AUTH: Purpose.SERVER, ExtendedKeyUsageOID.CLIENT_AUTH: Purpose.CLIENT}


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """Facts about a leaf, read once."""

    sha256: str
    """SHA-256 of the DER form, lower-case hex."""
    names: tuple[str, ...]
    """Canonical, in the certificate's order; without those that are not names."""
    subject: str
    issuer: str
    """Organization and common name, as in ``Let's Encrypt R11``."""
    serial: str
    """Lower-case hex."""
    not_before: datetime
    not_after: datetime
    key_type: KeyType
    purposes: tuple[Purpose, ...]
    authority_key_id: str | None
    """Subject key identifier of the issuer, lower-case hex."""


def describe(certificate: x509.Certificate) -> CertificateFacts:
    """Read a certificate. Raises `CertificateUnreadable`, `WeakKey` and `KeyUnsupported`."""
    title = title_of(certificate)
    return CertificateFacts(
        sha256=sha256_of(certificate),
        names=names_of(certificate),
        subject=title,
        issuer=issuer_title(certificate),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key_type=key_type_of(public_key_of(certificate), title=title),
        purposes=purposes_of(certificate),
        authority_key_id=authority_key_id_of(certificate),
    )


def load_certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Read every certificate in `pem`, in order; other blocks are skipped. Raises `CertificateUnreadable`."""
    blocks = certificate_blocks(pem)
    if not blocks:
        raise CertificateUnreadable("there is none")
    return tuple(_load(block, number) for number, block in enumerate(blocks, start=1))


def _load(block: bytes, number: int) -> x509.Certificate:
    try:
        with quietly():
            return checked(x509.load_pem_x509_certificate(block))
    except MALFORMED as error:
        raise CertificateUnreadable(f"number {number} is not well-formed ({reason_of(error)})", str(error)) from error


def load_der_certificate(der: bytes) -> x509.Certificate:
    """Read one certificate in DER. Raises `CertificateUnreadable`."""
    try:
        with quietly():
            return checked(x509.load_der_x509_certificate(der))
    except MALFORMED as error:
        raise CertificateUnreadable(f"it is not a certificate in DER form ({reason_of(error)})", str(error)) from error


@contextmanager
def quietly() -> Iterator[None]:
    """Suppress cryptography's warnings: some roots that everyone trusts have the serial number 0, and it warns of each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def checked(certificate: x509.Certificate) -> x509.Certificate:
    """Return `certificate` after reading what cryptography parses lazily. Raises one of `MALFORMED`."""
    _ = (certificate.subject, certificate.issuer, certificate.extensions)
    root = certificate.subject == certificate.issuer  # old ones have the serial number 0
    if certificate.serial_number < (0 if root else 1):
        raise ValueError(NOT_POSITIVE)
    return certificate


def sha256_of(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the DER form, lower-case hex."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def public_key_of(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    """Return the public key. Raises `KeyUnsupported` and `CertificateUnreadable`."""
    try:
        return certificate.public_key()
    except UnsupportedAlgorithm as error:
        raise KeyUnsupported(certificate.public_key_algorithm_oid.dotted_string) from error
    except ValueError as error:
        raise CertificateUnreadable(
            f"the public key of {title_of(certificate)} is not a possible one", str(error)
        ) from error


def has_key(certificate: x509.Certificate, public_key: object) -> bool:
    """Whether `public_key` is its own. One that can't be read, as of some roots, is none."""
    try:
        return public_key_of(certificate) == public_key
    except ChainError:
        return False


def extension(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    """Return an extension's value, or None where it's absent. Raises `CertificateUnreadable`."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except MALFORMED as error:
        raise CertificateUnreadable(
            f"the extensions of {title_of(certificate)} are not well-formed ({reason_of(error)})", str(error)
        ) from error


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the names: the subject alternative names, or the common name where the extension is absent."""
    alternatives = extension(certificate, x509.SubjectAlternativeName)
    if alternatives is None:
        texts = _texts(certificate.subject, NameOID.COMMON_NAME)
    else:
        texts = [str(name.value) for name in alternatives if isinstance(name, (x509.DNSName, x509.IPAddress))]
    return tuple(dict.fromkeys(name for name in map(_name, texts) if name))


def compared_names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return those of its names that some client compares with the one it asks for (RFC 9525 section 6).

    An address is looked for among the addresses only, never among the DNS names or in the common name. A dot at the end is
    overlooked by some, but not in a common name.
    """
    alternatives = extension(certificate, x509.SubjectAlternativeName)
    if alternatives is None:
        return tuple(
            name for name in names_of(certificate) if not is_address(name) and name in _common_names(certificate)
        )
    hosts = {name for name in map(_name, dns_names_of(certificate)) if name and not is_address(name)}
    addresses = {str(each.value) for each in alternatives if isinstance(each, x509.IPAddress)}
    return tuple(name for name in names_of(certificate) if name in hosts | addresses)


def _common_names(certificate: x509.Certificate) -> set[str]:
    return {text.lower() for text in _texts(certificate.subject, NameOID.COMMON_NAME)}


def dns_names_of(certificate: x509.Certificate) -> list[str]:
    """Return the DNS names among the subject alternative names as they are, canonical or not."""
    alternatives = extension(certificate, x509.SubjectAlternativeName)
    return alternatives.get_values_for_type(x509.DNSName) if alternatives else []


def _name(text: str) -> str | None:
    """Return the canonical form of what is written as a name has to be in a certificate (RFC 5280 section 7.2), else None."""
    try:
        return parse_name(text) if text.isascii() else None
    except NameInvalid:
        return None


def purposes_of(certificate: x509.Certificate) -> tuple[Purpose, ...]:
    """Return the purposes; without an extended key usage, all (RFC 5280 section 4.2.1.12)."""
    usage = extension(certificate, x509.ExtendedKeyUsage)
    if usage is None or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage:
        return tuple(Purpose)
    return tuple(purpose for oid, purpose in PURPOSES.items() if oid in usage)


def crl_urls_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the HTTP URLs of its revocation lists (RFC 5280 section 4.2.1.13)."""
    return http_urls_of(extension(certificate, x509.CRLDistributionPoints) or ())


def http_urls_of(points: Iterable[x509.DistributionPoint]) -> tuple[str, ...]:
    """Return the HTTP URLs of distribution points, in their order."""
    names = [name for point in points for name in point.full_name or ()]
    urls = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    return tuple(url for url in urls if url.lower().startswith(("http://", "https://")))


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it says that it is a CA (RFC 5280 section 4.2.1.9)."""
    constraints = extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def key_id_of(certificate: x509.Certificate) -> str | None:
    """Return the subject key identifier in hex, None where it's absent."""
    value = extension(certificate, x509.SubjectKeyIdentifier)
    return value.digest.hex() if value else None


def authority_key_id_of(certificate: x509.Certificate) -> str | None:
    """Return the issuer's key identifier in hex, None where it's absent."""
    value = extension(certificate, x509.AuthorityKeyIdentifier)
    return value.key_identifier.hex() if value and value.key_identifier else None


def names_as_issuer(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `certificate` gives the name of `issuer` as that of its issuer (RFC 5280 section 7.1)."""
    return same_name(certificate.issuer, issuer.subject)


def identifies_issuer(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the authority key identifier of `certificate` fits `issuer`, in all that it says (RFC 5280 4.2.1.1)."""
    wanted = extension(certificate, x509.AuthorityKeyIdentifier)
    if wanted is None:
        return True
    offered = key_id_of(issuer)
    if wanted.key_identifier is not None and offered is not None and wanted.key_identifier.hex() != offered:
        return False
    with quietly():
        if wanted.authority_cert_serial_number not in {None, issuer.serial_number}:
            return False
    above = [each.value for each in wanted.authority_cert_issuer or () if isinstance(each, x509.DirectoryName)]
    return not above or any(same_name(each, issuer.issuer) for each in above)


@lru_cache(VERIFIED)
def verifies(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the signature on `certificate` is by the key of `issuer`, which it names as its issuer.

    The answer is kept: it depends on their bytes alone, each chain is asked for it several times, and many have one issuer.
    """
    if not names_as_issuer(certificate, issuer):
        return False
    try:
        _verify_signature(certificate, issuer.public_key())
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _verify_signature(certificate: x509.Certificate, key: CertificatePublicKeyTypes) -> None:
    """Verify the signature alone: cryptography's own function takes names for different that only differ in encoding."""
    signed, signature = certificate.tbs_certificate_bytes, certificate.signature
    old = OLD_SIGNATURES.get(certificate.signature_algorithm_oid)
    parameters, digest = old or certificate.signature_algorithm_parameters, certificate.signature_hash_algorithm
    if isinstance(key, rsa.RSAPublicKey) and isinstance(parameters, (padding.PKCS1v15, padding.PSS)) and digest:
        key.verify(signature, signed, parameters, digest)
    elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(parameters, ec.ECDSA):
        key.verify(signature, signed, parameters)
    elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)) and digest is None:
        key.verify(signature, signed)
    elif isinstance(key, dsa.DSAPublicKey) and digest is not None:
        key.verify(signature, signed, digest)
    else:
        raise InvalidSignature


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Whether subject and issuer are the same (RFC 5280 section 6.1)."""
    return names_as_issuer(certificate, certificate)


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Whether it is signed with its own key."""
    return verifies(certificate, certificate)


def title_of(certificate: x509.Certificate) -> str:
    """Return a title for people: common name, else organization, else its first name, else its serial number."""
    if len(certificate.subject.rdns):
        return short(certificate.subject)
    names = names_of(certificate) or [printable(each, LONGEST_TITLE) for each in dns_names_of(certificate)]
    return names[0] if names else f"serial {certificate.serial_number:x}"


def issuer_title(certificate: x509.Certificate) -> str:
    """Return a title of its issuer for people, with the organization where the common name does not include it."""
    name = short(certificate.issuer)
    for organization in _texts(certificate.issuer, NameOID.ORGANIZATION_NAME)[:1]:
        word = organization.partition(" ")[0].strip(",.").casefold()
        if word not in name.casefold():
            return printable(f"{organization} {name}", LONGEST_TITLE)
    return name


def short(name: x509.Name) -> str:
    """Return common name, else organization, else all of it; fit to be printed."""
    texts = _texts(name, NameOID.COMMON_NAME) or _texts(name, NameOID.ORGANIZATION_NAME) or [name.rfc4514_string()]
    return printable(texts[0], LONGEST_TITLE)


def _texts(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [value for attribute in name.get_attributes_for_oid(oid) if isinstance(value := attribute.value, str)]
