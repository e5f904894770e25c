"""When a chain of the CA is to be renewed: what the CA suggests (RFC 9773), inside what it can't postpone. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent.contract.source import Due
from agent.model.records import ChainRecord, Watch
from agent.planning.renewal import renewal_instant, safety_floor

JITTER = 0.02
"""Part of the lifetime by which hosts renew earlier than by the ratio, each another part of it."""


def renewal_due(chain: ChainRecord | None, watch: Watch | None, now: datetime) -> Due:
    """Return when a new chain is to be asked for. Pure; `watch` counts only where it's about `chain`."""
    if chain is None:
        return Due(at=now, reason="there is no chain of the CA yet")
    suggested = watch.renew_at if watch is not None and watch.chain == chain.id else None
    if suggested is None:
        at = renewal_instant(chain.not_before, chain.not_after) - jitter(chain)
        return Due(at=at, reason=f"its renewal has been due since {at:%Y-%m-%d}" if at <= now else "in good time")
    at = min(suggested, safety_floor(chain.not_before, chain.not_after))
    return Due(at=at, reason=_reason(at, suggested, now))


def jitter(chain: ChainRecord) -> timedelta:
    """Return by how much a chain is renewed earlier than others of its age: always the same for one chain."""
    share = int(chain.id[:8], 16) / 0x1_0000_0000
    return (chain.not_after - chain.not_before) * JITTER * share


def _reason(at: datetime, suggested: datetime, now: datetime) -> str:
    if at > now:
        return "when the CA suggests it"
    if at < suggested:
        return f"its renewal can't wait as long as the CA suggests ({suggested:%Y-%m-%d})"
    return f"the CA suggests its renewal since {at:%Y-%m-%d}"
