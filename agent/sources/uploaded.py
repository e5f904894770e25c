"""Chains that the administrator uploaded: they serve by coverage, and nothing can be asked of them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from agent.contract.source import Due, Offer, OrderContext, RequestState, Source
from agent.errors.source import SourceError
from agent.model.need import Request
from agent.pki.chain import Chain

NAME = "uploaded"


class UploadedSource(Source):
    """Chains that the administrator uploaded."""

    name: ClassVar[str] = NAME
    title: ClassVar[str] = "Uploaded"

    def offers(self, request: Request, state: RequestState) -> Offer:
        """Decline: an upload is found by its names, not made for a request."""
        return Offer(serves=False, reason="no uploaded chain covers it")

    def due(self, request: Request, state: RequestState, now: datetime) -> Due:
        """Never: only a person brings a new one."""
        return Due(at=datetime.max.replace(tzinfo=now.tzinfo), reason="only a person uploads")

    def obtain(self, request: Request, session: OrderContext) -> Chain:
        """Refuse. Raises `SourceError`."""
        raise SourceError(
            "An uploaded chain can't be ordered.",
            where=NAME,
            fix="Upload one.",
        )
