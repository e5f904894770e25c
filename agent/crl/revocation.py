"""Revocation status of a chain, as data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RevocationStatus:
    """Revocation status of a chain, according to the lists of its issuers."""

    revoked_at: datetime | None
    """Since when one of its certificates is revoked; None: none is, as far as is known."""
    reason: str = ""
    """CRLReason (RFC 5280 section 5.3.1), as in ``keyCompromise``, behind the certificate's name where it's not the leaf."""
    next_at: datetime | None = None
    """Instant of the next check; None: its certificates name no list."""
