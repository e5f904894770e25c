"""Routes of pins: the uploaded chains that a person has chosen for needs."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from agent.api.access import Access
from agent.api.jobs import JobStarted, begin, new_job, started
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Pool, Route
from agent.model.pin import Pin
from agent.operations import pins as operations
from agent.operations.aims import aim_at
from agent.store import Store


class Slot(Input):
    """Need that a pin is for."""

    module: str = Field(min_length=1, max_length=128)
    slot: str = Field(min_length=1, max_length=128)


class NewPin(Slot):
    """The same, with the uploaded chain that is to serve it."""

    chain: str = Field(max_length=64, description="its whole id")


class OldPin(Slot):
    """The same, with the chain whose pin is meant: another one may have been pinned meanwhile."""

    chain: str = Field("", max_length=64, description="its whole id; left out: whichever is pinned")


@dataclass(frozen=True, slots=True)
class PinList:
    """Pins, by module and slot."""

    pins: tuple[Pin, ...]


def listed(request: ApiRequest) -> ApiResponse:
    """Return every pin that was set by a person; those in the settings are not among them."""
    with Store.open_read_only(request.services.layout) as view:
        return ApiResponse(PinList(tuple(view.pins.all())))


def pin(request: ApiRequest) -> ApiResponse:
    """Pin an uploaded chain. Raises `UnknownModule`, `UnknownSlot`, `UnknownChain`, `PinnedInSettings`, `PinUnusable`."""
    body: NewPin = request.body
    job = new_job()
    with request.locked_state(job) as state:
        switches = operations.pin(state, body.module, body.slot, body.chain)
    aim = aim_at(switches, body.chain)
    return started(begin(request, job, "chain pinned", f"{body.module}/{body.slot}", aim=aim))


def unpin(request: ApiRequest) -> ApiResponse:
    """Take a pin back. Raises `NotPinned`, `PinnedInSettings` and `PinMoved`."""
    query: OldPin = request.query
    job = new_job()
    with request.locked_state(job) as state:
        switches = operations.unpin(state, query.module, query.slot, query.chain)
    aim = aim_at(switches, instead_of=tuple(each.before for each in switches if each.before))
    return started(begin(request, job, "pin taken back", f"{query.module}/{query.slot}", aim=aim))


ROUTES = (
    Route("GET", "/v1/pins", Access.VIEWER, listed, "List the uploaded chains that are pinned", PinList),
    Route(
        "POST",
        "/v1/pins",
        Access.ADMIN,
        pin,
        "Have an uploaded chain go before all other uploads for a need",
        JobStarted,
        202,
        body=NewPin,
        pool=Pool.CHANGE,
        problems=(404, 409, 422, 503),
    ),
    Route(
        "DELETE",
        "/v1/pins",
        Access.ADMIN,
        unpin,
        "Take a pin back",
        JobStarted,
        202,
        query=OldPin,
        pool=Pool.CHANGE,
        problems=(409, 503),
    ),
)
