"""Routes of the events and of the audit record."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from agent.api.access import Access
from agent.api.chains import known
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Pool, Route
from agent.auth.audit_verification import Verification, verify_store
from agent.auth.person import Audit
from agent.model.events import Event
from agent.store import Store


class EventsQuery(Input):
    """Filter of events."""

    module: str = Field("", max_length=128)
    chain: str = Field("", max_length=64, description="id of a chain: those about it, or about its request")
    limit: int = Field(50, ge=1, le=1000)


@dataclass(frozen=True, slots=True)
class EventList:
    """Events, oldest first."""

    events: tuple[Event, ...]


class AuditQuery(Input):
    """Number of rows."""

    limit: int = Field(100, ge=1, le=1000)


@dataclass(frozen=True, slots=True)
class AuditList:
    """Rows of the audit record, the newest first."""

    audit: tuple[Audit, ...]


def events(request: ApiRequest) -> ApiResponse:
    """Return the newest events. Raises `UnknownChain`."""
    query: EventsQuery = request.query
    asked = known(request.services, query.chain).request if query.chain else None
    with Store.open_read_only(request.services.layout) as view:
        if query.chain:
            found = view.journal.about(query.chain, asked, query.limit)
            return ApiResponse(EventList(tuple(each for each in found if query.module in {"", each.module})))
        return ApiResponse(EventList(tuple(view.journal.since(module=query.module, limit=query.limit))))


def audit(request: ApiRequest) -> ApiResponse:
    """Return who changed what."""
    query: AuditQuery = request.query
    with request.services.accounts() as accounts:
        return ApiResponse(AuditList(tuple(accounts.audits(query.limit))))


def verification(request: ApiRequest) -> ApiResponse:
    """Say whether the audit record is whole."""
    with Store.open_read_only(request.services.layout) as view:
        return ApiResponse(verify_store(view))


ROUTES = (
    Route(
        "GET",
        "/v1/events",
        Access.VIEWER,
        events,
        "List what happened last, oldest first",
        EventList,
        query=EventsQuery,
        problems=(404,),
    ),
    Route("GET", "/v1/audit", Access.ADMIN, audit, "List who changed what, from where", AuditList, query=AuditQuery),
    Route(
        "GET",
        "/v1/audit/verification",
        Access.ADMIN,
        verification,
        "Say whether the audit record is whole, or which rows were changed, removed or put in",
        Verification,
        pool=Pool.LOOK,
    ),
)
