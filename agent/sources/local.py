"""Local chains, signed by the appliance's own root: at once, for every name."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import Field

from agent.contract.source import Due, Offer, OrderContext, RequestState, Source
from agent.model.need import Request
from agent.pki.chain import Chain
from agent.planning.renewal import renewal_instant


class LocalSource(Source):
    """Chains of the appliance's own root."""

    name: ClassVar[str] = "local"
    title: ClassVar[str] = "Local root"
    immediate: ClassVar[bool] = True

    lifetime_days: int = Field(90, ge=1, le=397, description="lifetime of a local chain in days")

    def offers(self, request: Request, state: RequestState) -> Offer:
        """Serve every name."""
        return Offer(serves=True)

    def due(self, request: Request, state: RequestState, now: datetime) -> Due:
        """Renew at a third of the lifetime left (a half of a short one), and at once when the root has changed.

        A cross-certificate that is to be sent beside is a change of it. One that lasts as long as the root is not renewed: the
        next one would not last longer.
        """
        chain = state.chain
        if chain is None:
            return Due(at=now, reason="there is no local chain yet")
        if chain.root != state.root:
            return Due(at=now, reason="the root has changed")
        if state.sent_with_root and chain.fingerprints[1:] != state.sent_with_root:
            return Due(at=now, reason="it is to be sent with a cross-certificate")
        if state.root_until is not None and chain.not_after >= state.root_until:
            return Due(at=chain.not_after, reason="the root ends then")
        at = renewal_instant(chain.not_before, chain.not_after)
        return Due(at=at, reason=f"its renewal has been due since {at:%Y-%m-%d}" if at <= now else "in good time")

    def obtain(self, request: Request, session: OrderContext) -> Chain:
        """Have the root sign a new key."""
        return session.issue(request, timedelta(days=self.lifetime_days))
