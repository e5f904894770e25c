"""What a change would break, as modules say it: for the root and for one chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pydantic import Field

from agent.api.access import Access
from agent.api.chains import known
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Lane, Route

if TYPE_CHECKING:
    from agent.operations.consequences import Answers


class ReissueQuery(Input):
    """For which name new chains are wanted."""

    name: str = Field("", max_length=253, description="empty: all")


@dataclass(frozen=True, slots=True)
class ConsequenceRow:
    """What a change would break in one module, by name."""

    module: str
    sentence: str
    severity: str
    """info, warning or outage."""


@dataclass(frozen=True, slots=True)
class UninspectedRow:
    """A module where what runs could not be seen: what it says may be too little."""

    module: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChainEffects:
    """What modules say that a change breaks."""

    consequences: tuple[ConsequenceRow, ...]
    unknown: tuple[str, ...]
    """Modules that could not say."""
    uninspected: tuple[UninspectedRow, ...]


Answered: TypeAlias = tuple[tuple[ConsequenceRow, ...], tuple[str, ...], tuple[UninspectedRow, ...]]


def show(request: ApiRequest) -> ApiResponse:
    """Say what another chain in the place of this one would break. Raises `UnknownChain`."""
    record = known(request.services, request.path["id"])
    return ApiResponse(ChainEffects(*answered(request.services.operations().chain_effects(record.id))))


def of_reissue(request: ApiRequest) -> ApiResponse:
    """Say what new chains would break. Raises `NothingToReissue` and `NameInvalid`."""
    query: ReissueQuery = request.query
    return ApiResponse(
        ChainEffects(*answered(request.services.operations().reissue_effects((query.name,) if query.name else ())))
    )


def answered(found: Answers) -> Answered:
    """Return the fields of `ChainEffects`."""
    rows = tuple(ConsequenceRow(module, each.sentence, each.severity) for module, each in found.consequences)
    return rows, found.unknown, tuple(UninspectedRow(*each) for each in found.uninspected)


ROUTES = (
    Route(
        "GET",
        "/v1/chains/{id}/effects",
        Access.VIEWER,
        show,
        "Say what another chain in the place of this one would break, by name",
        ChainEffects,
        lane=Lane.CHANGE,
        problems=(404, 503),
    ),
    Route(
        "GET",
        "/v1/reissue/effects",
        Access.VIEWER,
        of_reissue,
        "Say what new chains for a name would break, by name",
        ChainEffects,
        query=ReissueQuery,
        lane=Lane.CHANGE,
        problems=(422, 503),
    ),
)
