"""Page on which an administrator says that the machine's clock is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from plugins.webui.client import Refused
from plugins.webui.request_context import RequestContext

DOUBT = "status.clock"
"""Code of the finding."""


async def ask_accept(request: RequestContext) -> Response:
    """Say what the clock shows and why it isn't believed, and ask."""
    await request.require_admin()
    return await _asked(request)


async def accept(request: RequestContext) -> Response:
    """Have the agent believe it."""
    form = await request.form()
    try:
        await request.give_password(form)
        await request.ask("POST", "/v1/clock/accept")
    except Refused as refused:
        if not request.wants_password(refused) and refused.status != 409:
            raise
        return await _asked(request, refused.status, refused.problem)
    return request.go("/certificates")


async def _asked(request: RequestContext, status: int = 200, refused: Mapping[str, Any] | None = None) -> Response:
    found = await request.get("/v1/status", limit=1)
    doubt = next((each["problem"] for each in found["findings"] if each["problem"]["code"] == DOUBT), None)
    if doubt is None:  # it is over
        return request.go("/certificates")
    return await request.page("clock.html.j2", status, doubt=doubt, problem=refused)
