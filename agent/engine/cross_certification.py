"""Certification of two roots by each other, as far as clients would take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.model.root import CrossCertificate

if TYPE_CHECKING:
    from agent.pki.authority import Root

SENT_WITH_OTHERS = "its leaves are sent with the certificates above it, and clients follow one path only"


def cross_certified(issuer: Root, subject: Root) -> CrossCertificate:
    """Have one root sign a certificate for the key of the other, or return why that is of no use."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from agent.pki.cross import cross_certificate, why_not_certified

    if obstacle := why_not_certified(issuer, subject):
        return CrossCertificate(subject.sha256, issuer.sha256, "", obstacle=obstacle)
    made = cross_certificate(issuer, subject)
    path = (made, *issuer.path_to_anchor)
    return CrossCertificate(
        subject.sha256,
        issuer.sha256,
        "".join(each.public_bytes(Encoding.PEM).decode() for each in path),
        max(each.not_valid_before_utc for each in path),
        min(each.not_valid_after_utc for each in path),
        SENT_WITH_OTHERS if subject.path_to_anchor else "",
    )
