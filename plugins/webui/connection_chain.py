"""Chain of the browser's connection, to be compared before the page is trusted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """Leaf of a connection, as the page names it."""

    names: tuple[str, ...]
    issuer: str
    serial: str
    """Lower-case hex."""
    not_after: str
    """RFC 3339, UTC."""
    sha256: str
    """Lower-case hex, without colons."""


def chain_facts(certificates: bytes) -> ChainFacts:
    """Return the facts of the first certificate of `certificates` (PEM).

    cryptography is imported here, at the first use: it would be a fifth of the process's memory.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    leaf = x509.load_pem_x509_certificate(certificates)
    return ChainFacts(
        names=_names(leaf),
        issuer=leaf.issuer.rfc4514_string(),
        serial=f"{leaf.serial_number:x}",
        not_after=leaf.not_valid_after_utc.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        sha256=leaf.fingerprint(SHA256()).hex(),
    )


def _names(leaf: Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return (leaf.subject.rfc4514_string(),)
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))
