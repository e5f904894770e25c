"""Checks of single certificates: what every client refuses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID, ObjectIdentifier, PublicKeyAlgorithmOID

from agent.errors.chain import (
    ChainError,
    ChainTooLarge,
    CriticalExtensionUnknown,
    KeyNotServable,
    NotForClients,
    Precertificate,
    WeakKey,
)
from agent.errors.problem import rfc3339
from agent.errors.upload import ANY_USAGE, Expired, NotForServers, NotYetValid, OddCertificate
from agent.errors.wording import quoted
from agent.pki.certificate import (
    compared_names_of,
    dns_names_of,
    extension,
    is_authority,
    public_key_of,
    purposes_of,
    title_of,
)
from agent.pki.judgement import Objection
from agent.pki.path import verify_strength
from agent.pki.purpose import Purpose

MOST_NAMES = 1000
LARGEST = (1 << 17) - 1
"""Bytes of the message that holds a chain: what NSS and GnuTLS read. OpenSSL reads 100 KiB."""
AROUND = 5
"""Bytes around each certificate in that message (RFC 8446 section 4.4.2)."""
NETSCAPE_TYPE = ObjectIdentifier("2.16.840.1.113730.1.1")
RFC_3779 = (ObjectIdentifier("1.3.6.1.5.5.7.1.7"), ObjectIdentifier("1.3.6.1.5.5.7.1.8"))
"""Extensions for addresses and for AS numbers."""
KNOWN_EXTENSIONS = frozenset({
    ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.ISSUER_ALTERNATIVE_NAME, ExtensionOID.NAME_CONSTRAINTS,
    ExtensionOID.CERTIFICATE_POLICIES, ExtensionOID.POLICY_CONSTRAINTS, ExtensionOID.POLICY_MAPPINGS,
    ExtensionOID.INHIBIT_ANY_POLICY, ExtensionOID.CRL_DISTRIBUTION_POINTS, ExtensionOID.FRESHEST_CRL,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER, ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS, ExtensionOID.SUBJECT_INFORMATION_ACCESS, ExtensionOID.TLS_FEATURE,
    ExtensionOID.OCSP_NO_CHECK, ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS,
    NETSCAPE_TYPE, *RFC_3779,
})  # fmt: skip
"""Extensions that some client understands. Of the others, the critical ones are refused."""

USAGES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.CODE_SIGNING: "codeSigning",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
    ExtendedKeyUsageOID.TIME_STAMPING: "timeStamping",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSPSigning",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: ANY_USAGE,
}
SIZED = ((ec.EllipticCurvePublicKey, "elliptic curve", 224), (dsa.DSAPublicKey, "DSA", 2048))
"""Kinds of keys, their names, and the bits that they need (openssl-ciphers(1): level 2 is for 112 bits of security)."""
WANTED = {Purpose.SERVER: ExtendedKeyUsageOID.SERVER_AUTH, Purpose.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH}


def by_time(certificate: x509.Certificate, now: datetime) -> Iterator[Objection]:
    """Yield an objection where it isn't valid at `now`."""
    title = title_of(certificate)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end < begin:
        reason = f"it ends at {rfc3339(end)}, before it begins at {rfc3339(begin)}"
        yield Objection.of(OddCertificate(title, reason), title, added=0)
    elif end <= now:
        yield Objection.of(Expired(title, end), title, added=0)
    elif begin > now:
        yield Objection.of(NotYetValid(title, begin, now), title, added=0)


def by_size(presented: Sequence[x509.Certificate]) -> Iterator[Objection]:
    """Yield an objection where what a service sends is more than clients read."""
    size = sum(len(each.public_bytes(Encoding.DER)) + AROUND for each in presented)
    if size > LARGEST:
        title = title_of(presented[0])
        yield Objection.of(ChainTooLarge(title, LARGEST), title)


def by_purpose(certificate: x509.Certificate, purpose: Purpose) -> Iterator[Objection]:
    """Yield an objection where it is for other purposes; an intermediate's bound those of what it signs.

    To be for any purpose isn't enough: OpenSSL and NSS want the purpose itself.
    """
    if purpose not in _purposes(certificate):
        yield _for_others(certificate, purpose)


def by_purpose_of_root(anchor: x509.Certificate, purpose: Purpose) -> Iterator[Objection]:
    """Yield an objection where a trust anchor is for other purposes. Not every client looks there for the purpose itself."""
    if purpose not in purposes_of(anchor):
        yield _for_others(anchor, purpose)


def is_for_any(certificate: x509.Certificate, purpose: Purpose) -> bool:
    """Whether it is for a purpose only by being for any."""
    return purpose not in _purposes(certificate) and purpose in purposes_of(certificate)


def _purposes(certificate: x509.Certificate) -> Sequence[Purpose]:
    """Return the purposes that it names; without an extended key usage, all."""
    usage = extension(certificate, x509.ExtendedKeyUsage)
    return tuple(Purpose) if usage is None else [purpose for purpose, oid in WANTED.items() if oid in usage]


def _for_others(certificate: x509.Certificate, purpose: Purpose) -> Objection:
    title = title_of(certificate)
    usages = [USAGES.get(oid, oid.dotted_string) for oid in extension(certificate, x509.ExtendedKeyUsage) or ()]
    if purpose is Purpose.CLIENT:
        return Objection.of(NotForClients(title, usages), title)
    return Objection.of(NotForServers(title, usages, authority=is_authority(certificate)), title)


def by_extensions(certificate: x509.Certificate) -> Iterator[Objection]:
    """Yield critical extensions that no client knows (RFC 5280 section 4.2), and the poison of precertificates."""
    title = title_of(certificate)
    for each in certificate.extensions:
        if each.oid == ExtensionOID.PRECERT_POISON:
            yield Objection.of(Precertificate(title), title)
        elif each.critical and each.oid not in KNOWN_EXTENSIONS:
            yield Objection.of(CriticalExtensionUnknown(title, each.oid.dotted_string), title)


def by_strength(certificate: x509.Certificate) -> Iterator[Objection]:
    """Yield an objection to a key that is too short or of an unknown kind, or to the digest of the signature."""
    try:
        verify_strength(certificate)
        _verify_size(certificate)
    except ChainError as error:
        yield Objection.of(error, title_of(certificate))


def _verify_size(certificate: x509.Certificate) -> None:
    """Check the size of keys that are not of RSA as OpenSSL does from its security level 2 on. Raises `WeakKey`."""
    key = public_key_of(certificate)
    for kind, name, least in SIZED:
        if isinstance(key, kind) and key.key_size < least:
            authority = is_authority(certificate)
            raise WeakKey(key.key_size, title_of(certificate), name, least, authority=authority)


def by_form(certificate: x509.Certificate) -> Iterator[Objection]:
    """Yield an objection where what is signed names another algorithm than the signature does (RFC 5280 section 4.1.1.2)."""
    whole, signed = certificate.public_bytes(Encoding.DER), certificate.tbs_certificate_bytes
    at = whole.index(signed) + len(signed)
    algorithm = whole[
        at : at + 2 + whole[at + 1]
    ]  # shorter than 128 bytes: an identifier, and at most those of RSA-PSS
    if algorithm not in signed:
        title = title_of(certificate)
        reason = "it is signed with another algorithm than it says (RFC 5280 section 4.1.1.2)"
        yield Objection.of(OddCertificate(title, reason), title)


def by_key_kind(leaf: x509.Certificate) -> Iterator[Objection]:
    """Yield an objection where services can't load the key."""
    if leaf.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        yield Objection.of(KeyNotServable(title_of(leaf)), title_of(leaf))


def by_odd_names(leaf: x509.Certificate) -> Iterator[Objection]:
    """Yield names that programs read differently, and too many names."""
    title = title_of(leaf)
    alternatives = extension(leaf, x509.SubjectAlternativeName) or ()
    if sum(1 for _ in alternatives) > MOST_NAMES:
        reason = f"it has more than {MOST_NAMES} names, and services and clients give up on it"
        yield Objection.of(OddCertificate(title, reason), title)
    common = [attribute.value for attribute in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    for text in (*common, *dns_names_of(leaf)):
        if isinstance(text, str) and any(ord(char) < 32 or ord(char) == 127 for char in text):
            reason = f"the name {quoted(text)} holds a control character"
            yield Objection.of(OddCertificate(title, reason), title)
    for text in dns_names_of(leaf) if not compared_names_of(leaf) else ():
        if not text.isascii():
            reason = f"the name {quoted(text)} is not in its ASCII form (xn--..., RFC 5280 section 7.2)"
            yield Objection.of(OddCertificate(title, reason), title)
