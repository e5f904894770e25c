"""What happened, and who changed what."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from plugins.webui.request_context import Visit

MOST = 200
"""Rows."""


async def events(visit: Visit) -> Response:
    """Show the newest events, the newest first; of one module, if one is named."""
    module = visit.request.query_params.get("module", "")[:64]
    asked: dict[str, str | int] = {"limit": MOST} | ({"module": module} if module else {})
    _, found, status = await asyncio.gather(
        visit.who(), visit.get("/v1/events", **asked), visit.get("/v1/status", limit=1)
    )
    return await visit.page("events.html.j2", events=found["events"][::-1], modules=status["modules"], module=module)


async def audit(visit: Visit) -> Response:
    """Show who changed what, from where, the newest first."""
    found = await visit.get("/v1/audit", limit=MOST)
    return await visit.page("audit.html.j2", rows=found["audit"])
