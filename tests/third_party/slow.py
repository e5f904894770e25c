"""A source that takes its time, as a CA beyond the network does: it fails twice, goes on where it stopped, delivers."""

from datetime import datetime, timedelta

from chainwright import Chain, Due, Offer, OrderContext, Request, RequestState, Source, SourceError, hookimpl


class Slow(Source):
    """A CA that is slow."""

    name = "slow"
    failures: int = 2
    retry_seconds: int = 30

    def offers(self, request: Request, state: RequestState) -> Offer:
        local = sorted(name for name in request.names if name.endswith(".lan"))
        return Offer(serves=not local, reason=f"{local[0]} is a local name" if local else "")

    def due(self, request: Request, state: RequestState, now: datetime) -> Due:
        if state.chain is None:
            return Due(at=now, reason="there is no chain of slow yet")
        left = (state.chain.not_after - state.chain.not_before) / 3
        return Due(at=state.chain.not_after - left, reason="a third of its lifetime is left")

    def obtain(self, request: Request, session: OrderContext) -> Chain:
        tries = int(session.saved.get("tries", 0)) + 1
        session.save({"tries": tries, "order": session.saved.get("order", "order-1")})
        session.progress("ordered", f"try {tries}")
        if tries <= self.failures:
            retry_at = session.now() + timedelta(seconds=self.retry_seconds)
            raise SourceError("The CA is busy.", where="slow", fix="Wait.", retry_at=retry_at)
        session.progress("validated", str(session.saved["order"]))
        return session.issue(request, timedelta(days=30))


@hookimpl
def register_sources() -> list[type[Source]]:
    return [Slow]
