"""Events: the one bus that progress display, page, daemon and observers follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from agent.errors.problem import rfc3339


class EventKind(StrEnum):
    """What happened."""

    PASS_STARTED = "pass_started"
    PASS_ENDED = "pass_ended"
    SETTINGS_REFUSED = "settings_refused"
    DATABASE_RESTORED = "database_restored"
    """It was lost or damaged."""
    CLOCK_DOUBTED = "clock_doubted"
    CLOCK_BELIEVED = "clock_believed"
    """It is right again, or NTP, the CAs or a person said that it is."""
    ROOT_CREATED = "root_created"
    ROOT_PREPARED = "root_prepared"
    """The root that signs next was made."""
    ROOTS_CERTIFIED = "roots_certified"
    """Two roots have certified each other, or could not."""
    ROOT_SIGNS = "root_signs"
    """A prepared root has begun to sign."""
    ROOT_ENDED = "root_ended"
    """A root signs no longer, and none follows it: the settings want none beside the main one."""
    ROOT_RETIRED = "root_retired"
    """A root that was replaced is no longer believed."""
    ROOT_BELIEVED = "root_believed"
    """A root is believed again that was retired while the clock was ahead."""
    CHAIN_STORED = "chain_stored"
    CHAIN_UPLOADED = "chain_uploaded"
    CHAIN_DELETED = "chain_deleted"
    CHAIN_PINNED = "chain_pinned"
    CHAIN_UNPINNED = "chain_unpinned"
    """A pin was taken back."""
    CHAIN_REVOKED = "chain_revoked"
    """Its CA lists a chain as revoked, or a person had it revoked."""
    PEER_SIGNED = "peer_signed"
    """The root has signed a peer's request again."""
    PEER_FAILED = "peer_failed"
    """It could not be signed again."""
    REVOKED_BY_ROOT = "revoked_by_root"
    """A person had something revoked that an own root had signed."""
    REVOCATIONS_LISTED = "revocations_listed"
    """A root has a new list of what it has revoked."""
    INQUIRY_FAILED = "inquiry_failed"
    """A CA could not be asked about a chain that is in service."""
    BINDING_CHANGED = "binding_changed"
    ORDER_STARTED = "order_started"
    ORDER_STEP = "order_step"
    ORDER_FAILED = "order_failed"
    STEP = "step"
    """A step of deploying, in `detail["step"]`."""
    REFUSED = "refused"
    DEPLOYED = "deployed"
    WAITING = "waiting"
    ROLLED_BACK = "rolled_back"
    BROKEN = "broken"
    RETIRED = "retired"
    """A module that is no longer configured was taken out of its services, and its keys were removed."""
    DRIFT = "drift"
    OBSERVED = "observed"
    """A service tells another state of itself, in `detail["subject"]` and `detail["state"]`."""
    RECOVERED = "recovered"
    MODULE_FAILED = "module_failed"
    PLUGIN_FAILED = "plugin_failed"
    PLUGIN_AWAITED = "plugin_awaited"
    """A pass waits for the answer of a plugin."""
    BACKUP_MADE = "backup_made"
    """All of it, with every key, has left the appliance in an encrypted file."""
    RESTORED = "restored"
    """Settings and keys are those of a backup; `detail["differences"]` says what was otherwise on that machine."""
    RESTORE_TAKEN_BACK = "restore_taken_back"
    """It was decided and interrupted, and something was in the way of what was left of it: all is as it was before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of `events`."""

    at: datetime
    kind: EventKind
    text: str
    """For people, one sentence or a few words."""
    job: str = ""
    """Id of the pass."""
    module: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """JSON types; never a key."""
    id: int | None = None
    """Number of the row; grows."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "id": self.id,
            "at": rfc3339(self.at),
            "kind": str(self.kind),
            "job": self.job,
            "module": self.module,
            "text": self.text,
            "detail": dict(self.detail),
        }
