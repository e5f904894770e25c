"""Peer certificates: leaves that the root signed from someone's request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from agent.pki.key import KeyType
from agent.pki.purpose import Purpose
from agent.pki.revocation import RevocationReason

LIFETIME = timedelta(days=397)
"""Somebody has to carry a peer certificate to its device: the last third of this is the time for it."""
CUT_SHORT = timedelta(days=1)


class PeerState(StrEnum):
    """What may be said of a peer certificate."""

    GOOD = "good"
    REPLACED = "replaced"
    """A newer one was signed for the same peer; this one is believed until it ends."""
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One peer certificate. Certificates of the same module and label are of the same peer."""

    serial: str
    """Lower-case hex."""
    sha256: str
    module: str
    label: str
    """What the module calls the peer."""
    names: tuple[str, ...]
    purposes: tuple[Purpose, ...]
    root: str
    """SHA-256 of the root that signed it."""
    not_before: datetime
    not_after: datetime
    created_at: datetime
    replaced_at: datetime | None = None
    revoked_at: datetime | None = None
    reason: RevocationReason | None = None
    """Why it was revoked."""
    key_type: KeyType = KeyType.ECDSA_P256

    def state(self, now: datetime) -> PeerState:
        """Return what is to be said of it at `now`."""
        if self.revoked_at is not None:
            return PeerState.REVOKED
        if now >= self.not_after:
            return PeerState.EXPIRED
        return PeerState.GOOD if self.replaced_at is None else PeerState.REPLACED

    @property
    def current(self) -> bool:
        """Whether it is the one of its peer that is signed again."""
        return self.replaced_at is None and self.revoked_at is None

    @property
    def renew_at(self) -> datetime | None:
        """When it is signed again though the root stays: when a third of its time is left.

        None: never. Where its root's own end has cut it short, a new one would last no longer: the root has to be replaced.
        """
        if not self.current or self.not_after < self.created_at + LIFETIME - CUT_SHORT:
            return None
        return self.not_after - LIFETIME / 3


def serial_of(text: str) -> str:
    """Return a serial number as it is kept, from one as programs write it: upper case, colons, leading zeros, ``0x``."""
    return text.strip().lower().removeprefix("0x").replace(":", "").lstrip("0")
