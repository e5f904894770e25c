"""Cross-certificates between two roots (RFC 5280 section 3.2): who knows one of them can verify the other's leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from agent.pki.certificate import extension, short
from agent.pki.path import why_not_an_issuer

if TYPE_CHECKING:
    from agent.pki.authority import Root


def cross_certificate(issuer: Root, subject: Root) -> x509.Certificate:
    """Return a certificate for the key of one root, signed by the other. Ask `why_not_certified` first.

    It begins when both have begun, whatever a clock says, and ends when the first of them does.
    """
    from agent.pki.profile import authority_certificate

    begin = max(issuer.not_before, subject.not_before)
    return authority_certificate(
        issuer.key, issuer.certificate, subject.certificate, begin, min(issuer.usable_until, subject.usable_until)
    )


def why_not_certified(issuer: Root, subject: Root) -> str:
    """Return why clients that know `issuer` would not take `subject` by a certificate of it; empty where they would."""
    if short(issuer.certificate.subject) == short(subject.certificate.subject):
        return "both have the same name"
    if min(issuer.usable_until, subject.usable_until) <= max(issuer.not_before, subject.not_before):
        return "they are never valid together"
    return why_not_an_issuer(subject.certificate, 0) or why_certifies_no_root(issuer)


def why_certifies_no_root(issuer: Root) -> str:
    """Return why clients that know `issuer` would take no other root by a certificate of it; empty where they would."""
    for below, certificate in enumerate((issuer.certificate, *issuer.parents), 1):
        if reason := why_not_an_issuer(certificate, below):
            return reason
        if extension(certificate, x509.NameConstraints) is not None:
            return "it may sign for some names only (name constraints)"
    return ""
