"""Routes that say what another chain would break."""

from __future__ import annotations

from pydantic import Field

from agent.api.access import Access
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Pool, Route
from agent.operations.consequences import chain_effects
from agent.operations.effects import ChangeEffects
from agent.operations.reissue import reissue_effects


class ReissueQuery(Input):
    """Name for which new chains are wanted."""

    name: str = Field("", max_length=253, description="empty: all")


def of_chain(request: ApiRequest) -> ApiResponse:
    """Say what another chain in the place of this one would break. Raises `UnknownChain`."""
    with request.services.looking_state() as state:
        return ApiResponse(chain_effects(state, state.known(request.path["id"]).id))


def of_reissue(request: ApiRequest) -> ApiResponse:
    """Say what new chains would break. Raises `NothingToReissue` and `NameInvalid`."""
    query: ReissueQuery = request.query
    with request.services.looking_state() as state:
        return ApiResponse(reissue_effects(state, (query.name,) if query.name else ()))


ROUTES = (
    Route(
        "GET",
        "/v1/chains/{id}/effects",
        Access.VIEWER,
        of_chain,
        "Say what another chain in the place of this one would break, by name",
        ChangeEffects,
        pool=Pool.LOOK,
        problems=(404, 503),
    ),
    Route(
        "GET",
        "/v1/reissue/effects",
        Access.VIEWER,
        of_reissue,
        "Say what new chains for a name would break, by name",
        ChangeEffects,
        query=ReissueQuery,
        pool=Pool.LOOK,
        problems=(422, 503),
    ),
)
