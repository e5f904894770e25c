"""Hand-over of a chain that ends soon, as far as passes have come to it."""

from __future__ import annotations

from datetime import datetime

from agent.errors.problem import rfc3339
from agent.health import problems
from agent.health.snapshot import Snapshot
from agent.model.handover import ends_soon, hands_over_at
from agent.model.need import Need
from agent.model.records import ChainRecord


def should_have_handed_over(snapshot: Snapshot, record: ChainRecord, now: datetime) -> bool:
    """Whether a chain ends soon, and a pass has been made since then, or is late: while it is bound, nothing else can be had."""
    if not ends_soon(record, now):
        return False
    due = snapshot.next_at
    is_ahead = due is not None and due <= hands_over_at(record.not_before, record.not_after)
    return not (is_ahead and due is not None and now <= due + problems.LATE)


def why_too_late(snapshot: Snapshot, need: Need, record: ChainRecord, now: datetime) -> str:
    """Return why a chain that fits a need has given way to another one: a clause; empty where it has not."""
    bound = next((each.chain for each in snapshot.bindings if each.key == need.key), None)
    if bound in {None, record.id} or not ends_soon(record, now):
        return ""
    return f"it ends at {rfc3339(record.not_after)}, which is too soon"
