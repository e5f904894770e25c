"""A source that validates each name, as a public CA does: an order fails as a whole for one that a file names."""

from datetime import datetime, timedelta
from pathlib import Path

from chainwright import Chain, Due, Offer, OrderContext, Request, RequestState, Source, SourceError, hookimpl, is_public


class Picky(Source):
    """A CA that can't reach everybody."""

    name = "picky"
    unreachable: str = ""
    """Path of a file with a name a line."""

    def offers(self, request: Request, state: RequestState) -> Offer:
        return Offer(serves=all(map(is_public, request.names)), reason="not all of its names are public")

    def due(self, request: Request, state: RequestState, now: datetime) -> Due:
        if state.chain is None:
            return Due(at=now, reason="there is no chain of picky yet")
        left = (state.chain.not_after - state.chain.not_before) / 3
        return Due(at=state.chain.not_after - left, reason="a third of its lifetime is left")

    def obtain(self, request: Request, session: OrderContext) -> Chain:
        failed = request.names & set(Path(self.unreachable).read_text().split())
        if not failed:
            return session.issue(request, timedelta(days=90))
        error = SourceError(
            f"{min(failed)} can't be reached.", where="picky", fix="Wait.", retry_at=session.now() + timedelta(hours=1)
        )
        error.failed, error.passed = failed, request.names - failed
        raise error


@hookimpl
def register_sources() -> list[type[Source]]:
    return [Picky]
