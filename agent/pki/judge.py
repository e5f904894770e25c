"""Judge of chains: what clients would make of a certification path (RFC 5280 as clients practise it).

It is asked once, when a chain enters: as an upload, as a delivery of a source, or as what a root will sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.errors.upload import Expired, NameNotPermitted, NoNames, NotForServers, NotYetValid
from agent.pki.anchors import Anchors
from agent.pki.certificate import extension, is_self_signed, names_as_issuer, purposes_of, title_of, verifies
from agent.pki.chain import CertificationPath
from agent.pki.judgement import INCOMPLETE, Judgement, Objection
from agent.pki.name_constraints import not_permitted
from agent.pki.purpose import Purpose

EDITION = 1
"""Grows with each release that adds a check."""

USAGES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.CODE_SIGNING: "codeSigning",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
    ExtendedKeyUsageOID.TIME_STAMPING: "timeStamping",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSPSigning",
}


def judge(
    path: CertificationPath,
    *,
    purpose: Purpose,
    now: datetime,
    anchors: Anchors | Iterable[x509.Certificate] = (),
    names: Sequence[str] = (),
) -> Judgement:
    """Return what clients make of a path at `now`. Raises nothing about a certificate, however odd it is.

    `anchors` are the roots that are known here; the path's own anchor is looked for among them. `names` are what clients
    will ask for, by default all names of the leaf. Each link was verified when the path was made.
    """
    known = Anchors.of(anchors)
    anchor = path.anchor or _anchor_of(path.presented[-1], known)
    whole = (*path.presented, *([anchor] if anchor else []))
    refused = [
        *_by_time(path.presented, now),
        *by_purpose(path.presented, purpose),
        *_by_names(path, whole),
    ]
    return Judgement(tuple(refused), tuple(_completeness(path, anchor)))


def _anchor_of(top: x509.Certificate, known: Anchors) -> x509.Certificate | None:
    if is_self_signed(top):
        return None
    return next((each for each in known.named(top.issuer) if names_as_issuer(top, each) and verifies(top, each)), None)


def _completeness(path: CertificationPath, anchor: x509.Certificate | None) -> Iterator[Objection]:
    top = path.presented[-1]
    if anchor is None and not is_self_signed(top):
        title = title_of(top)
        yield Objection(
            INCOMPLETE, title, f'the issuer of "{title}" is not known here, so the chain may be incomplete', ""
        )


def _by_time(certificates: Iterable[x509.Certificate], now: datetime) -> Iterator[Objection]:
    for certificate in certificates:
        title = title_of(certificate)
        if certificate.not_valid_after_utc <= now:
            yield Objection.of(Expired(title, certificate.not_valid_after_utc), title)
        elif certificate.not_valid_before_utc > now:
            yield Objection.of(NotYetValid(title, certificate.not_valid_before_utc, now), title)


def by_purpose(certificates: Iterable[x509.Certificate], purpose: Purpose) -> Iterator[Objection]:
    """Yield certificates that are for other purposes; an intermediate's purposes bound those of what it signs."""
    for certificate in certificates:
        if purpose not in purposes_of(certificate):
            usage = extension(certificate, x509.ExtendedKeyUsage) or ()
            title = title_of(certificate)
            yield Objection.of(NotForServers(title, [USAGES.get(oid, oid.dotted_string) for oid in usage]), title)


def _by_names(path: CertificationPath, whole: Sequence[x509.Certificate]) -> Iterator[Objection]:
    if not path.names:
        yield Objection.of(NoNames(title_of(path.leaf)), title_of(path.leaf))
    for authority in whole[1:]:
        for name in not_permitted(path.names, authority):
            yield Objection.of(NameNotPermitted(name, title_of(authority)), title_of(authority))
