"""Remarks about an uploaded chain that is accepted; what clients refuse or warn of is the judge's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from cryptography import x509

from agent.errors.chain import LeafIsAuthority
from agent.errors.wording import quoted
from agent.pki.anchors import Anchors
from agent.pki.certificate import dns_names_of, is_authority, is_self_signed, title_of
from agent.pki.chain import Chain
from agent.pki.judgement import Judgement
from agent.system.spans import when

SOON = timedelta(days=14)


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


def refuse_authority(leaf: x509.Certificate) -> None:
    """Raise `LeafIsAuthority`, except for a self-signed certificate with names, as ``openssl req -x509`` makes it."""
    if is_authority(leaf) and not (is_self_signed(leaf) and dns_names_of(leaf)):
        raise LeafIsAuthority(title_of(leaf))


def remarks_of(chain: Chain, judgement: Judgement, anchors: Anchors, now: datetime) -> Iterator[Remark]:
    """Yield the remarks about a chain that is accepted."""
    yield Remark(RemarkLevel.OK, "key matches")
    yield _completeness(chain)
    yield Remark(RemarkLevel.OK, f"valid until {chain.usable_until:%Y-%m-%d}")
    yield from _of_time(chain, now)
    yield from (Remark(RemarkLevel.WARNING, objection.sentence) for objection in judgement.warnings)
    yield from _of_root(chain, anchors)


def _completeness(chain: Chain) -> Remark:
    if chain.anchor is None and not chain.intermediates:
        return Remark(RemarkLevel.WARNING, "self-signed: every client must be configured to trust it")
    above = [*chain.intermediates, *([chain.anchor] if chain.anchor else [])]
    return Remark(RemarkLevel.OK, f"chain complete ({' > '.join(title_of(each) for each in above)})")


def _of_time(chain: Chain, now: datetime) -> Iterator[Remark]:
    left = chain.usable_until - now
    if left < SOON:
        soon = "within a day" if left < timedelta(days=1) else when(chain.usable_until, now)
        yield Remark(RemarkLevel.WARNING, f"expires {soon}")
    for certificate, issuer in pairwise(chain.presented):
        if issuer.not_valid_after_utc < certificate.not_valid_after_utc:
            yield Remark(
                RemarkLevel.WARNING,
                f"{quoted(title_of(issuer))} expires before {quoted(title_of(certificate))}: "
                f"the chain ends on {issuer.not_valid_after_utc:%Y-%m-%d}",
            )


def _of_root(chain: Chain, anchors: Anchors) -> Iterator[Remark]:
    root = chain.anchor
    if root is None:
        return
    if root not in anchors:
        yield Remark(
            RemarkLevel.NOTE,
            f"the root {quoted(title_of(root))} is not a known root: clients must be configured to trust it",
        )
