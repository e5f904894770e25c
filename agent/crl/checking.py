"""Judging a chain by the lists that its certificates name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cryptography import x509

from agent.crl.cache import RevocationLists
from agent.crl.revocation import RevocationStatus
from agent.crl.revocation_list import Entry, UnusableListError
from agent.errors.crl import CrlError, CrlRefused
from agent.pki.certificate import extension, short
from agent.pki.chain import Chain

Places = tuple[tuple[str, ...], frozenset[x509.GeneralName]]
"""URLs of one and the same list, the first that works will do, and all the names that it may go by."""

AGAIN = timedelta(hours=6)
"""When a list that is about other certificates is looked at again."""


def judge(chain: Chain, now: datetime, lists: RevocationLists) -> RevocationStatus:
    """Return what is known of leaf and intermediates whose issuer is known. Raises `CrlError`."""
    issuers = (*chain.intermediates, *([chain.anchor] if chain.anchor else []))
    errors: list[CrlError] = []
    instants: list[datetime] = []
    for certificate, issuer in zip(chain.presented, issuers, strict=False):  # the last one's may be unknown
        for urls, names in places_of(certificate):
            try:
                entry, next_at = _look_up(certificate, issuer, urls, names, now, lists)
            except CrlError as error:
                errors.append(error)
                continue
            if entry:
                return RevocationStatus(entry.revoked_at, _reason(certificate, chain, entry), next_at)
            instants.append(next_at)
    if errors:
        raise min(errors, key=lambda error: error.retry_at or now)
    return RevocationStatus(None, "", min(instants, default=None))


def places_of(certificate: x509.Certificate) -> Iterator[Places]:
    """Yield where lists are that a certificate would be on (RFC 5280 section 4.2.1.13).

    Several places without reasons are places of equal lists; each with reasons is one of its own. Lists of others than the
    issuer, and those that are not to be had by HTTP, are left out.
    """
    points = extension(certificate, x509.CRLDistributionPoints) or ()
    own = [point for point in points if point.full_name and not point.crl_issuer]
    for group in ([each for each in own if not each.reasons], *([each] for each in own if each.reasons)):
        names = frozenset(name for point in group for name in point.full_name or ())
        urls = tuple(url for point in group for url in _urls(point))
        if urls:
            yield urls, names


def _urls(point: x509.DistributionPoint) -> Iterator[str]:
    for name in point.full_name or ():
        if isinstance(name, x509.UniformResourceIdentifier) and name.value.lower().startswith(("http://", "https://")):
            yield name.value


def _look_up(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    urls: tuple[str, ...],
    names: frozenset[x509.GeneralName],
    now: datetime,
    lists: RevocationLists,
) -> tuple[Entry | None, datetime]:
    found, next_at = lists.obtain(urls, issuer, now)
    try:
        return found.of(certificate, names), next_at
    except UnusableListError as failure:
        raise CrlRefused(urls[0], failure.reason, now + AGAIN, failure.detail) from failure


def _reason(certificate: x509.Certificate, chain: Chain, entry: Entry) -> str:
    return entry.reason if certificate is chain.leaf else f"{short(certificate.subject)}: {entry.reason}"
