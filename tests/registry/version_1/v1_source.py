"""A source. Written for version 1.0 of the plugin contract, and never changed."""

from datetime import datetime, timedelta

from chainwright import Chain, Due, Offer, OrderContext, Request, RequestState, Source, hookimpl

api = 1


class Vault(Source):
    """The company's vault."""

    name = "v1_source"
    only: str

    def offers(self, request: Request, state: RequestState) -> Offer:
        serves = self.only in request.names
        return Offer(serves=serves, reason="" if serves else f"it serves {self.only} only")

    def due(self, request: Request, state: RequestState, now: datetime) -> Due:
        if state.chain is None:
            return Due(at=now, reason="there is no chain of the vault yet")
        left = (state.chain.not_after - state.chain.not_before) / 3
        return Due(at=state.chain.not_after - left, reason="a third of its lifetime is left")

    def obtain(self, request: Request, context: OrderContext) -> Chain:
        context.save({"order": "1"})
        context.progress("ordered", "order 1")
        return context.issue(request, timedelta(days=30))


@hookimpl
def register_sources() -> list[type[Source]]:
    return [Vault]
