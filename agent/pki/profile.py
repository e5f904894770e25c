"""Profiles of the certificates and lists that a root signs (RFC 5280 sections 4 and 5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.pki.chain import Purpose
from agent.pki.revocation import RevocationReason
from agent.system.names import is_address

if TYPE_CHECKING:
    from agent.pki.private_key import PrivateKey
    from agent.pki.revocation import Revocation

LONGEST_ATTRIBUTE = 64
"""Characters of a common name or an organization (RFC 5280 appendix A, ub-common-name, ub-organization-name)."""

USAGES = {Purpose.SERVER: ExtendedKeyUsageOID.SERVER_AUTH, Purpose.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH}


def root_certificate(
    key: PrivateKey, common_name: str, organization: str, not_before: datetime, not_after: datetime
) -> x509.Certificate:
    """Return a self-signed CA that signs leaves directly, and the certificate of a root that succeeds it."""
    subject = _name((NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, common_name))
    return (
        _builder(subject, subject, key.public_key(), not_before, not_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, digest_for(key))
    )


def authority_certificate(
    issuer_key: PrivateKey,
    issuer: x509.Certificate,
    subject: x509.Certificate,
    not_before: datetime,
    not_after: datetime,
) -> x509.Certificate:
    """Return a certificate of `issuer` for the name and key of another CA, which signs leaves directly.

    Its key identifier is the one that those leaves have as their issuer's, and it allows no more than `subject` does.
    """
    key: CertificatePublicKeyTypes = subject.public_key()
    builder = (
        _builder(subject.subject, issuer.subject, key, not_before, not_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(_subject_key_id(subject), critical=False)
        .add_extension(_authority_key_id(issuer), critical=False)
    )
    for limit in subject.extensions:
        if isinstance(limit.value, x509.NameConstraints | x509.ExtendedKeyUsage):
            builder = builder.add_extension(limit.value, limit.critical)
    return builder.sign(issuer_key, digest_for(issuer_key))


def leaf_certificate(
    issuer_key: PrivateKey,
    issuer: x509.Certificate,
    public_key: CertificatePublicKeyTypes,
    names: Sequence[str],
    purposes: Sequence[Purpose],
    not_before: datetime,
    not_after: datetime,
) -> x509.Certificate:
    """Return an end-entity certificate for canonical `names`.

    The first name is also the common name, for old VPN clients and for people, unless it is too long for one.
    """
    short = len(names[0]) <= LONGEST_ATTRIBUTE
    subject = _name((NameOID.COMMON_NAME, names[0] if short else ""))
    encipherment = isinstance(public_key, rsa.RSAPublicKey)  # of the premaster secret: TLS 1.2 and older
    return (
        _builder(subject, issuer.subject, public_key, not_before, not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True, key_encipherment=encipherment), critical=True)
        .add_extension(x509.ExtendedKeyUsage([USAGES[each] for each in purposes]), critical=False)
        .add_extension(x509.SubjectAlternativeName(general_names(names)), critical=not short)  # RFC 5280 4.2.1.6
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_authority_key_id(issuer), critical=False)
        .sign(issuer_key, digest_for(issuer_key))
    )


def revocation_list(
    issuer_key: PrivateKey,
    issuer: x509.Certificate,
    entries: Iterable[Revocation],
    number: int,
    this_update: datetime,
    next_update: datetime,
) -> x509.CertificateRevocationList:
    """Return a list of revoked certificates (RFC 5280 section 5), whole and of all reasons."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(this_update.replace(microsecond=0))
        .next_update(next_update.replace(microsecond=0))
        .add_extension(_authority_key_id(issuer), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for entry in entries:
        builder = builder.add_revoked_certificate(_entry(entry))
    return builder.sign(issuer_key, digest_for(issuer_key))


def _entry(entry: Revocation) -> x509.RevokedCertificate:
    """Return the entry of a list. An unspecified reason is left out (RFC 5280 section 5.3.1)."""
    builder = x509.RevokedCertificateBuilder().serial_number(int(entry.serial, 16))
    builder = builder.revocation_date(entry.at.replace(microsecond=0))
    if entry.reason is not RevocationReason.UNSPECIFIED:
        builder = builder.add_extension(x509.CRLReason(x509.ReasonFlags(str(entry.reason))), critical=False)
    return builder.build()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, not_before: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())  # 159 bits
        .not_valid_before(not_before.replace(microsecond=0))
        .not_valid_after(not_after.replace(microsecond=0))
    )


def _name(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value[:LONGEST_ATTRIBUTE]) for oid, value in attributes if value])


def general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """Return canonical names as subject alternative names (RFC 5280 section 4.2.1.6), each once."""
    return [
        x509.IPAddress(ip_address(name)) if is_address(name) else x509.DNSName(name) for name in dict.fromkeys(names)
    ]


def _authority_key_id(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(_subject_key_id(issuer))


def _subject_key_id(authority: x509.Certificate) -> x509.SubjectKeyIdentifier:
    """Return a CA's key identifier: an uploaded one may have one that is no digest of its key, or none."""
    try:
        return authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(authority.public_key())


def digest_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | None:
    """Return the digest for signatures of `key`: SHA-384 for P-384 (RFC 5480 section 4), none for Ed25519."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    return (
        hashes.SHA384()
        if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size >= 384
        else hashes.SHA256()
    )


def _key_usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
