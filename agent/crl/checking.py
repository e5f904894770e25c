"""Check of a chain against the lists that its certificates name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cryptography import x509

from agent.crl.cache import RevocationLists
from agent.crl.look_up import LookUp
from agent.crl.revocation import RevocationStatus
from agent.crl.revocation_list import FetchedList, RevokedEntry, UnusableListError
from agent.errors.crl import CrlError, CrlRefused
from agent.pki.certificate import extension, http_urls_of, names_as_issuer, short
from agent.pki.chain import Chain

ListLocations = tuple[tuple[str, ...], frozenset[x509.GeneralName]]
"""URLs of the same list, of which the first that works is used, and all the names that it may have."""

RETRY_AFTER = timedelta(hours=6)
"""Until a list that is about other certificates is fetched again."""


def revocation_of(chain: Chain, now: datetime, lists: RevocationLists, look_up: LookUp) -> RevocationStatus:
    """Return the status of leaf and intermediates whose issuer is known. Raises `CrlError`."""
    issuers = (*chain.intermediates, *([chain.anchor] if chain.anchor else []))
    errors: list[CrlError] = []
    instants: list[datetime] = []
    for certificate, issuer in zip(chain.presented, issuers, strict=False):  # the last one's may be unknown
        if not names_as_issuer(
            certificate, issuer
        ):  # the anchor has signed an earlier one, and a cross-certificate follows
            continue
        for urls, names in locations_of(certificate):
            try:
                found = lists.obtain(urls, issuer, now, look_up)
                entry = _entry(found[0], certificate, urls[0], names, now) if found else None
            except CrlError as error:
                errors.append(error)
                continue
            if found and entry:
                return RevocationStatus(entry.revoked_at, _reason(certificate, chain, entry), found[1])
            instants += [found[1]] if found else []
    if errors:
        raise min(errors, key=lambda error: error.retry_at or now)
    return RevocationStatus(None, "", min(instants, default=None))


def locations_of(certificate: x509.Certificate) -> Iterator[ListLocations]:
    """Yield the locations of the lists that are about a certificate (RFC 5280 section 4.2.1.13).

    Distribution points without reasons are copies of one list; each with reasons is a list of its own. Lists that the issuer
    does not sign itself, and those that are not available over HTTP, are left out.
    """
    points = extension(certificate, x509.CRLDistributionPoints) or ()
    own = [point for point in points if point.full_name and not point.crl_issuer]
    for group in ([each for each in own if not each.reasons], *([each] for each in own if each.reasons)):
        names = frozenset(name for point in group for name in point.full_name or ())
        urls = http_urls_of(group)
        if urls:
            yield urls, names


def _entry(
    found: FetchedList, certificate: x509.Certificate, url: str, names: frozenset[x509.GeneralName], now: datetime
) -> RevokedEntry | None:
    try:
        return found.find(certificate, names)
    except UnusableListError as failure:
        raise CrlRefused(url, failure.reason, now + RETRY_AFTER, failure.detail) from failure


def _reason(certificate: x509.Certificate, chain: Chain, entry: RevokedEntry) -> str:
    return entry.reason if certificate is chain.leaf else f"{short(certificate.subject)}: {entry.reason}"
