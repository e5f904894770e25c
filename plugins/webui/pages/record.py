"""Pages of the events and of the audit log."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from plugins.webui.request_context import RequestContext

MOST = 200
"""Rows."""


async def events(request: RequestContext) -> Response:
    """Show the newest events, the newest first; of one module, if one is named."""
    module = request.request.query_params.get("module", "")[:64]
    asked: dict[str, str | int] = {"limit": MOST} | ({"module": module} if module else {})
    _, found, status = await asyncio.gather(
        request.who(), request.get("/v1/events", **asked), request.get("/v1/status", limit=1)
    )
    return await request.page("events.html.j2", events=found["events"][::-1], modules=status["modules"], module=module)


async def audit(request: RequestContext) -> Response:
    """Show changes with person and address, the newest first, and on request whether the record is whole."""
    found = await request.get("/v1/audit", limit=MOST)
    asked = request.request.query_params.get("verify") == "1"
    verified = await request.get("/v1/audit/verification") if asked else None
    return await request.page("audit.html.j2", rows=found["audit"], verified=verified)
