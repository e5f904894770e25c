"""The certificates of a chain, each with what a person compares. cryptography is loaded when one is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Link:
    """One certificate of a chain."""

    subject: str
    """Common name, else organization."""
    issuer: str
    serial: str
    """Lower-case hex."""
    not_before: datetime
    not_after: datetime
    sha256: str
    sha1: str


def links(pem: str) -> Iterator[Link]:
    """Yield the certificates of a text, in order; nothing for an empty one. Raises `CertificateUnreadable`."""
    from cryptography.hazmat.primitives import hashes

    from agent.pki.certificate import load_certificates, sha256_of, short, title_of

    for each in load_certificates(pem.encode()) if pem else ():
        yield Link(
            subject=title_of(each),
            issuer=short(each.issuer),
            serial=f"{each.serial_number:x}",
            not_before=each.not_valid_before_utc,
            not_after=each.not_valid_after_utc,
            sha256=sha256_of(each),
            sha1=each.fingerprint(hashes.SHA1()).hex(),  # noqa: S303 - an old name for a certificate, nothing relies on it
        )
