"""Cross-certificates as they are handed out, for who knows one of the roots alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agent.errors.root import NoCrossCertificate
from agent.model.root import CrossCertificate, RootRecord, cross_certificates


def cross_pem(roots: Sequence[RootRecord], crosses: Sequence[CrossCertificate], now: datetime) -> str:
    """Return their PEM. Raises `NoCrossCertificate`."""
    found = cross_certificates(roots, crosses, now)
    if not found:
        raise NoCrossCertificate(_why_none(roots, crosses))
    return found


def _why_none(roots: Sequence[RootRecord], crosses: Sequence[CrossCertificate]) -> str:
    known = {each.sha256 for each in roots if each.believed}
    if len(known) < 2:
        return "no other root is believed beside the present one"
    reasons = dict.fromkeys(each.obstacle for each in crosses if {each.subject, each.issuer} <= known and each.obstacle)
    return "; ".join(reasons) or "the next run of the agent makes it"
