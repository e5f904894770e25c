"""Chains from a program of the administrator's, which reads a signing request in PEM and prints the chain in PEM."""

from datetime import datetime, timedelta

from chainwright import (
    AgentError,
    Chain,
    Due,
    Offer,
    OrderContext,
    PathText,
    ProgramFailed,
    Request,
    RequestState,
    Source,
    SourceError,
    hookimpl,
    request_pem,
)

api = 1


class CommandSource(Source):
    """A program that signs requests."""

    name = "command_source"
    program: PathText
    timeout_seconds: int = 60
    retry_minutes: int = 15

    def offers(self, request: Request, state: RequestState) -> Offer:
        return Offer(serves=True)

    def due(self, request: Request, state: RequestState, now: datetime) -> Due:
        if state.chain is None:
            return Due(at=now, reason=f"{self.program} has not signed it yet")
        third = (state.chain.not_after - state.chain.not_before) / 3
        return Due(at=state.chain.not_after - third, reason="a third of its lifetime is left")

    def obtain(self, request: Request, context: OrderContext) -> Chain:
        key, argv = context.key_for(request), [str(context.rooted(self.program))]
        wanted = request_pem(key, request.names)
        context.progress("signing", self.program)
        try:
            answer = context.run(argv, stdin=wanted, timeout=self.timeout_seconds)
        except ProgramFailed as error:
            raise self.failure(context, str(error), error.said) from error
        try:
            return Chain.build_pem(key, answer, context.anchors)
        except AgentError as error:
            raise self.failure(context, error.problem.cause.rstrip(".")) from error

    def failure(self, context: OrderContext, why: str, detail: str = "") -> SourceError:
        return SourceError(
            f"{self.program} signs nothing: {why}.",
            where=self.name,
            fix="Look at that program, then: chainwright renew",
            retry_at=context.now() + timedelta(minutes=self.retry_minutes),
            detail=detail,
        )


@hookimpl
def register_sources() -> list[type[Source]]:
    return [CommandSource]
