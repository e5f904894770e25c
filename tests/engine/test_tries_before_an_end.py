"""Tries of an order before what serves ends: sooner than the source says, never sooner than its CA allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from agent.contract.source import OrderContext
from agent.engine.orders import ask
from agent.errors.limits import RateLimitAhead
from agent.errors.source import SourceError
from agent.model.need import Request
from agent.pki.chain import Chain
from agent.planning import Obtain
from support.fakes.ladder import NOW, Toy, need

HOUR = timedelta(hours=1)
WANTED = need()


@dataclass
class Context:
    """What is asked of a context when a source fails."""

    cancelled: bool = False
    held: bool = False
    remarks: list[str] = field(default_factory=list)

    def now(self) -> datetime:
        return NOW


class Failing(Toy):
    """A source that raises what a test gives it."""

    error: object

    def obtain(self, request: Request, session: OrderContext) -> Chain:
        raise self.error


def allowed(at: object) -> SourceError:
    """Return a failure that is tried again in a day, of a CA that allows a try sooner."""
    error = SourceError("The CA is away.", retry_at=NOW + 24 * HOUR)
    error.earliest = at
    return error


@pytest.mark.parametrize(
    ("error", "tried_in"),
    [
        (SourceError("The CA is away.", retry_at=NOW + 24 * HOUR), 2 * HOUR),
        (SourceError("The CA is away.", retry_at=NOW + HOUR), HOUR),
        (SourceError("It says no."), None),
        (allowed(NOW + HOUR / 12), 2 * HOUR),
        (allowed(NOW + 7 * HOUR), 7 * HOUR),
        (allowed(NOW + 48 * HOUR), 24 * HOUR),
        (allowed(NOW.replace(tzinfo=None)), 2 * HOUR),
        (allowed("tomorrow"), 2 * HOUR),
        (RateLimitAhead("toy", "5 of 5 new orders in 3 hours are used up", NOW + 9 * HOUR, "Wait."), 9 * HOUR),
    ],
    ids=[
        "a day",
        "an hour",
        "permanent",
        "allowed soon",
        "allowed later",
        "allowed too late",
        "without a zone",
        "no instant",
        "a limit",
    ],
)
def test_a_failure_twenty_hours_before_an_end_is_tried_again_in_time(error: SourceError, tried_in: timedelta | None):
    order = Obtain("toy", WANTED.request, (), "it is due", immediate=False, deadlines=(NOW + 20 * HOUR,))
    delivery = ask(Failing(error=error), order, Context())
    assert delivery.error is error
    assert delivery.error.retry_at == (NOW + tried_in if tried_in else None)
    assert delivery.error.problem.retry_at == delivery.error.retry_at
