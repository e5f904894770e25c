"""Revocations by the appliance's own roots (RFC 5280 section 5), as data."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RevocationReason(StrEnum):
    """CRLReason (RFC 5280 section 5.3.1), as far as a root gives them."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"


@dataclass(frozen=True, slots=True)
class RevocationList:
    """Newest revocation list of one root."""

    root: str
    number: int
    """CRLNumber (RFC 5280 section 5.2.3): grows by one."""
    this_update: datetime
    next_update: datetime
    serials: tuple[str, ...]
    """Serial numbers in it, sorted."""
    pem: str
    """Empty where the root may not sign lists."""

    @property
    def der(self) -> bytes:
        """The list in DER."""
        return b64decode("".join(self.pem.splitlines()[1:-1]))


@dataclass(frozen=True, slots=True)
class Revocation:
    """One entry of a root's list."""

    root: str
    """SHA-256 of the root that signed the certificate, lower-case hex."""
    serial: str
    """Lower-case hex."""
    at: datetime
    reason: RevocationReason
    not_after: datetime
    """End of the certificate's validity; after it, one more list holds the entry."""

    def must_be_listed(self, last: RevocationList | None) -> bool:
        """Whether the next list holds it: until one made after the certificate's end has held it (section 3.3)."""
        return last is None or last.this_update <= self.not_after
