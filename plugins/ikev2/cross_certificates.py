"""Choice and order of the CA certificates that charon is given, where cross-certificates are among them (RFC 4158).

charon follows the first issuer that it finds, both to send what leads to a root and to verify, and tries no other one. It finds
first what was loaded last. So a cross-certificate is loaded after the root that has the same name and key: it is sent with
the leaf, and what it leads to is believed. It is left out where it would lead to nothing that is believed, or back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

    from chainwright import Issuer


@dataclass(frozen=True)
class Authority:
    """One CA certificate."""

    path: str
    der: bytes

    @property
    def sha256(self) -> str:
        """Of the certificate, lower-case hex."""
        return sha256(self.der).hexdigest()

    @cached_property
    def certificate(self) -> x509.Certificate:
        """The certificate itself."""
        from cryptography.x509 import load_der_x509_certificate

        return load_der_x509_certificate(self.der)

    @property
    def self_issued(self) -> bool:
        """Whether its issuer's name is its own (RFC 5280 section 3.2)."""
        return self.certificate.issuer == self.certificate.subject

    def is_for_the_same(self, other: Authority) -> bool:
        """Whether both have the same name and key."""
        keys = [each.certificate.public_key() for each in (self, other)]
        return self.certificate.subject == other.certificate.subject and keys[0] == keys[1]


@dataclass(frozen=True)
class Arranged:
    """CA certificates as charon is given them."""

    authorities: Mapping[str, bytes]
    """Files with all but the cross-certificates, DER. They come first."""
    crosses: tuple[Authority, ...]
    issuers: Mapping[str, str]
    """SHA-256 of a cross-certificate -> of the root that it leads to, where that is given."""


def arrange(files: Mapping[str, bytes], believed: Collection[bytes]) -> Arranged:
    """Tell cross-certificates from the others, and leave out those that would hide a root that is believed.

    `believed`: what some connection takes peers by, DER.
    """
    authorities = [Authority(path, der) for path, der in files.items()]
    roots = [each for each in authorities if each.self_issued]
    others = {each.path: each.der for each in authorities}
    crosses: dict[str, Authority] = {}
    issuers: dict[str, str] = {}
    for each in authorities:
        same = [root for root in roots if not each.self_issued and each.is_for_the_same(root)]
        if same:
            del others[each.path]
            above = next(_issuers_of(each, roots), None)
            hides = above is None and any(root.der in believed for root in same)
            if not hides and not any(_lead_back(each, other) for other in crosses.values()):
                crosses[each.sha256] = each
                issuers |= {each.sha256: above.sha256} if above else {}
    return Arranged(others, tuple(crosses.values()), issuers)


def _issuers_of(cross: Authority, roots: list[Authority]) -> Iterator[Authority]:
    return (root for root in roots if root.certificate.subject == cross.certificate.issuer)


def _lead_back(one: Authority, other: Authority) -> bool:
    return one.certificate.issuer == other.certificate.subject and other.certificate.issuer == one.certificate.subject


def leading_nowhere(issuers: Iterable[Issuer]) -> tuple[str, ...]:
    """Return the SHA-256 of cross-certificates by roots that are believed no longer: charon may not be given those."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509 import load_pem_x509_certificates

    known = [(each, load_pem_x509_certificates(each.certificates.encode())[0]) for each in issuers]
    gone = [root.subject for each, root in known if not each.believed]
    crosses = [
        cross for each, _ in known if each.crosses for cross in load_pem_x509_certificates(each.crosses.encode())
    ]
    return tuple(each.fingerprint(SHA256()).hex() for each in crosses if each.issuer in gone) if gone else ()
