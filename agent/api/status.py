"""Route of the status, page by page: chains, their uses by modules, or uploads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from agent.api.access import Access
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Route
from agent.health.states import severity_of
from agent.model.finding import Finding
from agent.model.records import UPLOADED
from agent.report import ChainRow, ModuleRow, NeedRow, Report, StateRow, UseRow
from agent.report.details import RootDetails, root_details

MOST = 500
"""Rows of a page."""
MOST_FINDINGS = 100


class StatusView(StrEnum):
    """Kind of rows."""

    CHAINS = "chains"
    """A chain with all that use it, or a need without a chain."""
    MODULES = "modules"
    """One use of a chain by a module, or a need without a chain."""
    UPLOADED = "uploaded"
    """A chain that an administrator uploaded."""


class StatusQuery(Input):
    """Filter of rows, and their page."""

    view: StatusView = StatusView.CHAINS
    filter: str = Field("", max_length=253, description="part of a name, issuer, source, module or status")
    attention: bool = Field(False, description="only rows that need attention")
    offset: int = Field(0, ge=0, le=1_000_000)
    limit: int = Field(100, ge=1, le=MOST)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table."""

    chain: ChainRow | None
    """None: a need without a chain."""
    need: NeedRow | None
    """A need without a chain."""
    use: UseRow | None
    """The use, with `StatusView.MODULES`."""


@dataclass(frozen=True, slots=True)
class StatusPage:
    """The status, with some of its rows."""

    now: datetime
    next_at: datetime | None
    """When the agent has something to do again."""
    owner: str
    """Whose the agent's files are: ``root`` on an appliance."""
    degraded: bool
    """Whether something needs attention."""
    summary: dict[str, int]
    """Counts: chains, chains by status, and what needs attention."""
    attention: tuple[str, ...]
    """What needs attention, the first hundred by name."""
    root: RootDetails | None
    modules: tuple[ModuleRow, ...]
    states: tuple[StateRow, ...]
    """What services tell of themselves, first what somebody should know; at most a hundred."""
    findings: tuple[Finding, ...]
    """What somebody should know, the severest first; at most a hundred."""
    view: StatusView
    rows: tuple[Row, ...]
    """The most urgent first."""
    total: int
    """Rows that there are, also on other pages."""
    offset: int
    limit: int


def show(request: ApiRequest) -> ApiResponse:
    """Return one page of the status."""
    query: StatusQuery = request.query
    snapshot, found = request.services.status(request.now)
    rows = [row for row in _rows(found, query.view) if _wanted(row, query)]
    page = StatusPage(
        now=found.now,
        next_at=found.next_at,
        owner=found.owner,
        degraded=found.degraded,
        summary=found.summary,
        attention=tuple(found.attention[:MOST_FINDINGS]),
        root=root_details(snapshot, snapshot.root, request.now) if snapshot.root else None,
        modules=found.modules,
        states=tuple(sorted(found.states, key=lambda each: each.severity is None)[:MOST_FINDINGS]),
        findings=found.findings[:MOST_FINDINGS],
        view=query.view,
        rows=tuple(rows[query.offset : query.offset + query.limit]),
        total=len(rows),
        offset=query.offset,
        limit=query.limit,
    )
    return ApiResponse(page)


def _rows(found: Report, view: StatusView) -> Iterator[Row]:
    """Yield every row of a view. What has nothing to serve at all is the most urgent."""
    if view is not StatusView.UPLOADED:
        yield from (Row(None, need, None) for need in found.needs if need.chain is None)
    for chain in found.chains:
        if view is StatusView.MODULES:
            yield from (Row(chain, None, use) for use in chain.used_by)
        elif view is StatusView.CHAINS or chain.source == UPLOADED:
            yield Row(chain, None, None)


def _wanted(row: Row, query: StatusQuery) -> bool:
    if query.attention and row.chain is not None and not severity_of(row.chain.status).degrades:
        return False
    return not query.filter or any(query.filter.lower() in word.lower() for word in _words(row))


def _words(row: Row) -> Iterator[str]:
    if row.need is not None:
        yield from (*row.need.names, row.need.module)
    if row.chain is not None:
        yield from (*row.chain.names, row.chain.issuer, row.chain.source, str(row.chain.status), row.chain.id)
        yield from (use.module for use in ([row.use] if row.use else row.chain.used_by))


ROUTES = (
    Route("GET", "/v1/status", Access.VIEWER, show, "Show the status, one page of it", StatusPage, query=StatusQuery),
)
