"""Checks of an uploaded chain: what clients would refuse, and remarks about one that is accepted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from cryptography import x509
from cryptography.x509.oid import NameOID

from agent.errors.chain import LeafIsAuthority
from agent.errors.name import NameInvalid
from agent.errors.upload import Expired, NotYetValid, OddCertificate
from agent.errors.wording import quoted
from agent.pki.anchors import Anchors
from agent.pki.certificate import extension, is_authority, is_self_signed, title_of
from agent.pki.chain import Chain
from agent.system.names import is_address, parse_name

MOST_NAMES = 1000
SOON = timedelta(days=14)
LONGEST_LIFE = timedelta(days=825)
"""Apple's clients refuse longer ones, also of private authorities (support.apple.com, HT210176)."""
SHOWN_NAMES = 3


class RemarkLevel(StrEnum):
    """Importance of a remark."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Remark:
    """One fact about an upload that the administrator should know."""

    level: RemarkLevel
    sentence: str
    """Without a full stop."""


def refuse_odd_names(leaf: x509.Certificate) -> None:
    """Raise `OddCertificate` for names that programs read differently, and for too many names."""
    title = title_of(leaf)
    alternatives = extension(leaf, x509.SubjectAlternativeName) or ()
    if sum(1 for _ in alternatives) > MOST_NAMES:
        raise OddCertificate(title, f"it has more than {MOST_NAMES} names, and services and clients give up on it")
    common = [attribute.value for attribute in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    for text in (*common, *_dns_names(leaf)):
        if isinstance(text, str) and any(ord(char) < 32 or ord(char) == 127 for char in text):
            raise OddCertificate(title, f"the name {quoted(text)} holds a control character")
    for text in _dns_names(leaf):
        if not text.isascii():
            raise OddCertificate(
                title, f"the name {quoted(text)} is not in its ASCII form (xn--..., RFC 5280 section 7.2)"
            )


def refuse_authority(leaf: x509.Certificate) -> None:
    """Raise `LeafIsAuthority`, except for a self-signed certificate with names, as ``openssl req -x509`` makes it."""
    if is_authority(leaf) and not (is_self_signed(leaf) and _dns_names(leaf)):
        raise LeafIsAuthority(title_of(leaf))


def refuse_by_time(certificates: Iterable[x509.Certificate], now: datetime) -> None:
    """Raise `Expired` or `NotYetValid` for the first certificate that isn't valid at `now`."""
    for certificate in certificates:
        if certificate.not_valid_after_utc <= now:
            raise Expired(title_of(certificate), certificate.not_valid_after_utc)
        if certificate.not_valid_before_utc > now:
            raise NotYetValid(title_of(certificate), certificate.not_valid_before_utc, now)


def remarks_of(chain: Chain, anchors: Anchors, now: datetime) -> Iterator[Remark]:
    """Yield the remarks about a chain that is accepted."""
    yield Remark(RemarkLevel.OK, "key matches")
    yield _completeness(chain)
    yield Remark(RemarkLevel.OK, f"valid until {chain.usable_until:%Y-%m-%d}")
    yield from _of_time(chain, now)
    yield from _of_names(chain.leaf)
    yield from _of_usage(chain.leaf)
    yield from _of_root(chain, anchors, now)


def _completeness(chain: Chain) -> Remark:
    if chain.anchor is None and not chain.intermediates:
        return Remark(RemarkLevel.WARNING, "self-signed: every client must be configured to trust it")
    above = [*chain.intermediates, *([chain.anchor] if chain.anchor else [])]
    return Remark(RemarkLevel.OK, f"chain complete ({' > '.join(title_of(each) for each in above)})")


def _of_time(chain: Chain, now: datetime) -> Iterator[Remark]:
    left = chain.usable_until - now
    if left < SOON:
        days = left.days
        when = "within a day" if days < 1 else "in 1 day" if days == 1 else f"in {days} days"
        yield Remark(RemarkLevel.WARNING, f"expires {when}")
    for certificate, issuer in pairwise(chain.presented):
        if issuer.not_valid_after_utc < certificate.not_valid_after_utc:
            yield Remark(
                RemarkLevel.WARNING,
                f"{quoted(title_of(issuer))} expires before {quoted(title_of(certificate))}: "
                f"the chain ends on {issuer.not_valid_after_utc:%Y-%m-%d}",
            )
    if chain.not_after - chain.not_before > LONGEST_LIFE:
        yield Remark(RemarkLevel.WARNING, f"valid for more than {LONGEST_LIFE.days} days: Apple's clients refuse it")


def _of_names(leaf: x509.Certificate) -> Iterator[Remark]:
    alternatives = extension(leaf, x509.SubjectAlternativeName)
    if alternatives is None:
        yield Remark(RemarkLevel.WARNING, "has no SAN: modern clients refuse it")
    unusable = [text for text in _dns_names(leaf) if not _is_name(text)]
    if unusable:
        yield Remark(RemarkLevel.WARNING, f"names that no client accepts: {_listed(unusable)}")
    addresses = [text for text in _dns_names(leaf) if _is_name(text) and is_address(parse_name(text))]
    if addresses:
        yield Remark(
            RemarkLevel.WARNING, f"addresses among the DNS names, where no modern client looks: {_listed(addresses)}"
        )


def _of_usage(leaf: x509.Certificate) -> Iterator[Remark]:
    usage = extension(leaf, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        yield Remark(RemarkLevel.WARNING, "its key usage lacks digitalSignature: clients with TLS 1.3 refuse it")


def _of_root(chain: Chain, anchors: Anchors, now: datetime) -> Iterator[Remark]:
    root = chain.anchor
    if root is None:
        return
    if root.not_valid_after_utc <= now:
        ended = f"{root.not_valid_after_utc:%Y-%m-%d}"
        yield Remark(
            RemarkLevel.WARNING, f"the root {quoted(title_of(root))} expired on {ended}: some clients refuse the chain"
        )
    if root not in anchors:
        yield Remark(
            RemarkLevel.NOTE,
            f"the root {quoted(title_of(root))} is not a known root: clients must be configured to trust it",
        )


def _dns_names(leaf: x509.Certificate) -> list[str]:
    alternatives = extension(leaf, x509.SubjectAlternativeName)
    return alternatives.get_values_for_type(x509.DNSName) if alternatives else []


def _is_name(text: str) -> bool:
    try:
        parse_name(text)
    except NameInvalid:
        return False
    return True


def _listed(texts: Sequence[str]) -> str:
    shown = ", ".join(quoted(text) for text in texts[:SHOWN_NAMES])
    return shown if len(texts) <= SHOWN_NAMES else f"{shown} and {len(texts) - SHOWN_NAMES} more"
