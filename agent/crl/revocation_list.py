"""Certificate revocation list, verified with its issuer's key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID

from agent.errors.problem import rfc3339
from agent.pki.certificate import MALFORMED, extension, is_authority, quietly
from agent.pki.distinguished_names import same_name

AHEAD = timedelta(minutes=5)
"""By how much the CA's clock may be ahead."""
UNDERSTOOD = frozenset({ExtensionOID.ISSUING_DISTRIBUTION_POINT, ExtensionOID.AUTHORITY_KEY_IDENTIFIER})
"""Critical extensions that a list may have; one with others must not be used (RFC 5280 section 5.2)."""
REMOVED = x509.ReasonFlags.remove_from_crl
DAMAGED = "it is damaged or not a list"


class UnusableListError(Exception):
    """A list that can't be relied on; `reason` is a clause in lower case."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason)


class NotTheIssuersError(UnusableListError):
    """What is no list of the issuer at all: it may be anything that a server has."""


@dataclass(frozen=True, slots=True)
class RevokedEntry:
    """Entry of a list about one revoked certificate."""

    revoked_at: datetime
    reason: str
    """CRLReason (RFC 5280 section 5.3.1)."""


@dataclass(frozen=True, slots=True)
class FetchedList:
    """A list with its issuer's valid signature."""

    crl: x509.CertificateRevocationList
    size: int
    """Bytes."""
    this_update: datetime
    next_update: datetime
    part: x509.IssuingDistributionPoint | None
    """Part of the issuer's certificates that it is about; None: all of them (RFC 5280 section 5.2.5)."""

    def check(self, now: datetime) -> None:
        """Raise `UnusableListError` unless it is valid at `now`."""
        if self.this_update > now + AHEAD:
            raise UnusableListError(f"it is from the future ({rfc3339(self.this_update)})")
        if not self.holds(now):
            raise UnusableListError(f"it expired at {rfc3339(self.next_update)}")

    def holds(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return now < self.next_update

    def find(self, certificate: x509.Certificate, names: frozenset[x509.GeneralName]) -> RevokedEntry | None:
        """Return the entry of a certificate that refers to the list by `names`; None: it is not revoked.

        Raises `UnusableListError` if the list is not about that certificate.
        """
        if why_not := self._why_not_about(certificate, names):
            raise UnusableListError(why_not)
        try:
            found = self.crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
            if found is None or (reason := _reason_of(found)) is REMOVED:
                return None
            return RevokedEntry(found.revocation_date_utc, reason.value)
        except MALFORMED as error:  # entries are parsed when they are accessed
            raise UnusableListError(DAMAGED, str(error)) from error

    def _why_not_about(self, certificate: x509.Certificate, names: frozenset[x509.GeneralName]) -> str:
        part = self.part
        if part is None:
            return ""
        if part.full_name and not names.intersection(part.full_name):
            return "it is about another part of the CA's certificates"
        if part.only_contains_attribute_certs:
            return "it is about attributes only"
        authority = is_authority(certificate)
        if part.only_contains_user_certs and authority:
            return "it is not about certificates of CAs"
        return "it is about certificates of CAs only" if part.only_contains_ca_certs and not authority else ""


def read_list(body: bytes, issuer: x509.Certificate) -> FetchedList:
    """Read a list in DER or PEM and verify that it is the issuer's. Raises `NotTheIssuersError`, `UnusableListError`."""
    try:
        with quietly():
            crl = _load(body)
            _verify(crl, issuer)
    except (*MALFORMED, UnsupportedAlgorithm, TypeError) as error:
        raise NotTheIssuersError(DAMAGED, str(error)) from error
    try:
        with quietly():
            return FetchedList(crl, len(body), crl.last_update_utc, _next_update(crl), _part(crl))
    except (*MALFORMED, UnsupportedAlgorithm, TypeError) as error:
        raise UnusableListError(DAMAGED, str(error)) from error


def key_of(issuer: x509.Certificate) -> bytes:
    """Return the SHA-256 of the issuer's SubjectPublicKeyInfo."""
    spki = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def _load(body: bytes) -> x509.CertificateRevocationList:
    return x509.load_pem_x509_crl(body) if b"-----BEGIN X509 CRL" in body[:4096] else x509.load_der_x509_crl(body)


def _next_update(crl: x509.CertificateRevocationList) -> datetime:
    if crl.next_update_utc is None:
        raise UnusableListError("it has no nextUpdate (RFC 5280 section 5.1.2.5)")
    return crl.next_update_utc


def _part(crl: x509.CertificateRevocationList) -> x509.IssuingDistributionPoint | None:
    unknown = [each.oid.dotted_string for each in crl.extensions if each.critical and each.oid not in UNDERSTOOD]
    if ExtensionOID.DELTA_CRL_INDICATOR.dotted_string in unknown:
        raise UnusableListError("it holds the changes of another list only")
    if unknown:
        raise UnusableListError(f"it has an extension that is critical and unknown ({unknown[0]})")
    parts = [each.value for each in crl.extensions if isinstance(each.value, x509.IssuingDistributionPoint)]
    if parts and parts[0].indirect_crl:
        raise UnusableListError("it is about certificates of several CAs")
    return parts[0] if parts else None


def _verify(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> None:
    if not same_name(crl.issuer, issuer.subject):
        raise NotTheIssuersError("it is another CA's")
    usage = extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        raise UnusableListError("the CA's certificate does not allow it to sign lists")
    if not crl.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]  # a key of another kind: TypeError
        raise NotTheIssuersError("its signature is not the CA's")


def _reason_of(revoked: x509.RevokedCertificate) -> x509.ReasonFlags:
    """Return the reason; where it can't be read, the certificate counts as revoked without one."""
    try:
        return revoked.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except (x509.ExtensionNotFound, *MALFORMED):
        return x509.ReasonFlags.unspecified
