"""A source that delivers when a file says so, as a CA does that takes its time."""

from datetime import datetime, timedelta
from pathlib import Path

from chainwright import Chain, Due, Offer, OrderCancelled, OrderContext, Request, RequestState, Source, hookimpl


class Patient(Source):
    """A CA that waits."""

    name = "patient"
    gate: str = ""
    """Path of the file."""

    def offers(self, request: Request, state: RequestState) -> Offer:
        return Offer(serves=True)

    def due(self, request: Request, state: RequestState, now: datetime) -> Due:
        if state.chain is None:
            return Due(at=now, reason="there is no chain of patient yet")
        return Due(at=state.chain.not_after, reason="it ends")

    def obtain(self, request: Request, session: OrderContext) -> Chain:
        session.progress("waiting")
        while not Path(self.gate).exists():
            session.wait(0.05)
            if session.cancelled:
                raise OrderCancelled(self.name)
        return session.issue(request, timedelta(days=30))


@hookimpl
def register_sources() -> list[type[Source]]:
    return [Patient]
