"""Extensions of a certificate that parsers refuse: they say neither which one it is, nor of which certificate."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from agent.pki.asn1 import CONSTRUCTED, SEQUENCE, Value, dotted, encoded, value_at
from agent.pki.certificate import MALFORMED
from agent.pki.parser_errors import reason_of

EXTENSIONS = 0x80 | CONSTRUCTED | 3
"""Tag of the extensions in a certificate (RFC 5280 section 4.1)."""
NAMES = {
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: "authorityInfoAccess",
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: "authorityKeyIdentifier",
    ExtensionOID.BASIC_CONSTRAINTS: "basicConstraints",
    ExtensionOID.CERTIFICATE_POLICIES: "certificatePolicies",
    ExtensionOID.CRL_DISTRIBUTION_POINTS: "cRLDistributionPoints",
    ExtensionOID.EXTENDED_KEY_USAGE: "extKeyUsage",
    ExtensionOID.ISSUER_ALTERNATIVE_NAME: "issuerAltName",
    ExtensionOID.KEY_USAGE: "keyUsage",
    ExtensionOID.NAME_CONSTRAINTS: "nameConstraints",
    ExtensionOID.POLICY_CONSTRAINTS: "policyConstraints",
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: "subjectAltName",
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: "subjectKeyIdentifier",
}
"""Names in RFC 5280 section 4.2."""


def extension_name(oid: str) -> str:
    """Return the name of an extension, else its identifier."""
    return NAMES.get(x509.ObjectIdentifier(oid), oid)


def malformed_extensions(der: bytes) -> Iterator[tuple[str, str]]:
    """Yield identifier and reason of each extension that can't be parsed: each is tried alone. Raises `Asn1Error`."""
    body, *signature = value_at(der, 0).children()
    fields = list(body.children())
    for each in (extension for field in fields if field.tag == EXTENSIONS for extension in _sequence(field)):
        alone = encoded(EXTENSIONS, encoded(SEQUENCE, each.encoded()))
        kept = [alone if field.tag == EXTENSIONS else field.encoded() for field in fields]
        trial = encoded(SEQUENCE, encoded(SEQUENCE, *kept), *(part.encoded() for part in signature))
        try:
            _ = x509.load_der_x509_certificate(trial).extensions
        except MALFORMED as error:
            yield dotted(next(each.children()).content), reason_of(error)


def _sequence(field: Value) -> Iterator[Value]:
    return next(field.children()).children()
