"""What lists of revoked certificates say of a chain, as data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RevocationStatus:
    """What the lists say of a chain."""

    revoked_at: datetime | None
    """Since when one of its certificates is revoked; None: none is, as far as it can be known."""
    reason: str = ""
    """CRLReason (RFC 5280 section 5.3.1), as in ``keyCompromise``, behind the certificate's name where it's not the leaf."""
    next_at: datetime | None = None
    """When to look again; None: there is nothing to look at."""
