"""Chain: private key, leaf and intermediates. A wrong one can't be constructed.

Cheap to import: cryptography is loaded when the first chain is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Self

from agent.errors.problem import rfc3339
from agent.pki.key import KeyType, generate_key, key_type_of, load_key, load_known_key
from agent.pki.purpose import Purpose
from agent.system.names import covers_all

if TYPE_CHECKING:
    from cryptography import x509

    from agent.pki.certificate import CertificateFacts
    from agent.pki.private_key import PrivateKey

__all__ = [
    "CertificationPath",
    "Chain",
    "KeyType",
    "PeerCertificate",
    "Purpose",
    "generate_key",
    "key_type_of",
    "load_certificates",
    "load_key",
]


class CertificationPath:
    """A leaf and the certificates up to its root (RFC 5280 section 6): base of `Chain` and `PeerCertificate`.

    Two are equal when their leaves are.
    """

    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    """Leaf-ward first."""
    anchor: x509.Certificate | None
    """The root certificate where it is known. Never served."""

    @cached_property
    def facts(self) -> CertificateFacts:
        """Facts about the leaf."""
        from agent.pki.certificate import describe

        return describe(self.leaf)

    @property
    def presented(self) -> tuple[x509.Certificate, ...]:
        """Certificates that a service sends: leaf, then intermediates."""
        return (self.leaf, *self.intermediates)

    @property
    def id(self) -> str:
        """SHA-256 of the leaf's DER form, lower-case hex."""
        return self.facts.sha256

    @cached_property
    def fingerprints(self) -> tuple[str, ...]:
        """SHA-256 of leaf and intermediates in the order in which they are sent, lower-case hex."""
        from agent.pki.certificate import sha256_of

        return (self.id, *map(sha256_of, self.intermediates))

    @cached_property
    def anchor_sha256(self) -> str | None:
        """SHA-256 of the root certificate where it is known, lower-case hex."""
        from agent.pki.certificate import sha256_of

        return sha256_of(self.anchor) if self.anchor else None

    @property
    def issuers(self) -> frozenset[str]:
        """SHA-256 of all certificates above the leaf, the root too: an own root with parents is itself an intermediate."""
        return frozenset({*self.fingerprints[1:], *([self.anchor_sha256] if self.anchor_sha256 else [])})

    @property
    def names(self) -> tuple[str, ...]:
        """Canonical names from the subject alternative names; the common name only where there are none."""
        return self.facts.names

    @property
    def issuer(self) -> str:
        """Common name of the leaf's issuer, else its organization."""
        return self.facts.issuer

    @property
    def serial(self) -> str:
        """Serial number of the leaf, lower-case hex."""
        return self.facts.serial

    @property
    def not_before(self) -> datetime:
        """Beginning of the leaf's validity, UTC."""
        return self.facts.not_before

    @property
    def not_after(self) -> datetime:
        """End of the leaf's validity, UTC."""
        return self.facts.not_after

    @cached_property
    def usable_from(self) -> datetime:
        """The latest beginning over leaf and intermediates, UTC."""
        return max(certificate.not_valid_before_utc for certificate in self.presented)

    @cached_property
    def usable_until(self) -> datetime:
        """The earliest end over leaf and intermediates, UTC."""
        return min(certificate.not_valid_after_utc for certificate in self.presented)

    @property
    def key_type(self) -> KeyType:
        """Type of the leaf's key."""
        return self.facts.key_type

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        """Purposes of the leaf."""
        return self.facts.purposes

    @property
    def authority_key_id(self) -> str | None:
        """Key identifier of the leaf's issuer in hex (RFC 5280 section 4.2.1.1): tells which root signed it."""
        return self.facts.authority_key_id

    @cached_property
    def crl_urls(self) -> tuple[str, ...]:
        """HTTP URLs of the revocation lists of leaf and intermediates."""
        from agent.pki.certificate import crl_urls_of

        return tuple(url for certificate in self.presented for url in crl_urls_of(certificate))

    def covers(self, names: Iterable[str]) -> bool:
        """Whether it is good for each of `names` (canonical)."""
        return covers_all(self.names, names)

    def usable(self, now: datetime) -> bool:
        """Whether leaf and intermediates are valid at `now`."""
        return self.usable_from <= now < self.usable_until

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, CertificationPath) and self.leaf == other.leaf

    def __hash__(self) -> int:
        return hash(self.leaf)

    def __repr__(self) -> str:
        names = ", ".join(self.names)
        until = rfc3339(self.usable_until)
        return f"<{type(self).__name__} {self.id[:12]} {names} issued by {self.issuer} until {until}>"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Chain(CertificationPath):
    """Key, leaf and intermediates that belong together, with the anchor where it is known.

    Raises a `ChainError` unless the key matches the leaf, the order is right, each signature verifies and each issuer may
    sign. Validity, names and purposes are compared with what is needed, and at a time, by `usable`, `covers`, `purposes`.
    """

    key: PrivateKey
    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...] = ()
    anchor: x509.Certificate | None = None
    other_roots: tuple[x509.Certificate, ...] = ()
    """Roots that a private authority has given with it beside its own: of the one that signs next, or that signed before."""

    def __post_init__(self) -> None:
        from agent.pki.path import verify_pair, verify_path

        object.__setattr__(self, "intermediates", tuple(self.intermediates))
        verify_pair(self.key, self.leaf)
        verify_path(self.leaf, self.intermediates, self.anchor)

    @classmethod
    def build(
        cls, key: PrivateKey, certificates: Iterable[x509.Certificate], anchors: Iterable[x509.Certificate] = ()
    ) -> Self:
        """Make a chain of `key` and certificates in any order, with duplicates, with or without their root.

        `anchors` are roots that are known, for finding `anchor` where the root is not among the certificates. Raises a
        `ChainError` that says which certificate is wrong, missing or too much.
        """
        from agent.pki.path import build_path

        leaf, intermediates, anchor = build_path(key, certificates, anchors)
        return cls(key=key, leaf=leaf, intermediates=intermediates, anchor=anchor)

    @classmethod
    def build_pem(cls, key: PrivateKey, certificates: bytes, anchors: Iterable[x509.Certificate] = ()) -> Self:
        """Make a chain of `key` and what a CA has answered in PEM; else as `build`."""
        return cls.build(key, load_certificates(certificates), anchors)

    @classmethod
    def from_pem(cls, certificates: bytes, key: bytes) -> Self:
        """Read back a chain that was written in order: leaf, intermediates, the root where it is known, then other roots.

        Its key is one that was read or made before, as for `load_known_key`.
        """
        leaf, intermediates, roots = _in_order(certificates)
        anchor = roots[0] if roots else None
        return cls(
            key=load_known_key(key), leaf=leaf, intermediates=intermediates, anchor=anchor, other_roots=roots[1:]
        )


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PeerCertificate(CertificationPath):
    """A leaf that the root signed from someone's certificate signing request; the agent has no key of it."""

    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...] = ()
    anchor: x509.Certificate | None = None

    def __post_init__(self) -> None:
        from agent.pki.path import verify_path

        object.__setattr__(self, "intermediates", tuple(self.intermediates))
        verify_path(self.leaf, self.intermediates, self.anchor)

    @classmethod
    def from_pem(cls, certificates: bytes) -> Self:
        """Read back what was written in order: leaf, intermediates, and the root where it is known."""
        leaf, intermediates, roots = _in_order(certificates)
        return cls(leaf=leaf, intermediates=intermediates, anchor=roots[0] if roots else None)


def _in_order(
    pem: bytes,
) -> tuple[x509.Certificate, tuple[x509.Certificate, ...], tuple[x509.Certificate, ...]]:
    """Return leaf, intermediates and roots of a PEM text that holds them in this order."""
    from agent.pki.certificate import is_self_signed

    leaf, *issuers = load_certificates(pem)
    first = next((number for number, each in enumerate(issuers) if is_self_signed(each)), len(issuers))
    return leaf, tuple(issuers[:first]), tuple(issuers[first:])


def load_certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Read every certificate in `pem`, in order; other blocks are skipped. Raises `CertificateUnreadable`."""
    from agent.pki.certificate import load_certificates

    return load_certificates(pem)
