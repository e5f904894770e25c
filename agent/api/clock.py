"""Route of the clock: an administrator says that the machine's is right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agent.api.access import Access, Proof
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Pool, Route
from agent.operations.clock import accept_clock
from agent.system.clock import Clock
from agent.system.poke import poke


@dataclass(frozen=True, slots=True)
class ClockAccepted:
    """Instant that everything is decided by from now on."""

    believed: datetime


def accept(request: ApiRequest) -> ApiResponse:
    """Believe the machine's clock, whatever was seen before; the agent goes on at once. Raises `ClockBeforeRelease`."""
    layout = request.services.layout
    clock = Clock(layout.root)
    accept_clock(layout, clock, request.actor, wait=request.services.limits.lock_seconds)
    poke(layout)
    return ApiResponse(ClockAccepted(clock()))


ROUTES = (
    Route(
        "POST",
        "/v1/clock/accept",
        Access.ADMIN,
        accept,
        "Believe the machine's clock, whatever was seen before",
        ClockAccepted,
        proof=Proof.PASSWORD,
        pool=Pool.CHANGE,
        problems=(409, 503),
    ),
)
