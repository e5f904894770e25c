"""Page of users, and of tokens for programs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from plugins.webui.client import Refused
from plugins.webui.request_context import RequestContext

ROLES = ("viewer", "admin")
DAYS = ("30", "90", "366")


async def tokens(request: RequestContext) -> Response:
    """Show the tokens, without their texts."""
    return await _shown(request)


async def make_token(request: RequestContext) -> Response:
    """Make a token and show it, this once."""
    form = await request.form()
    days = form.get("days")
    wanted = {
        "name": form.get("name"),
        "role": form.get("role") if form.get("role") in ROLES else ROLES[0],
        "days": int(days) if days in DAYS else int(DAYS[1]),
    }
    try:
        made = await request.ask("POST", "/v1/tokens", wanted)
    except Refused as refused:
        if refused.status != 422:
            raise
        return await _shown(request, 422, problem=refused.problem)
    return await _shown(request, made=made)


async def revoke_token(request: RequestContext) -> Response:
    """Let a token be good for nothing from now on."""
    form = await request.form()
    await request.ask("DELETE", f"/v1/tokens/{quote(form.get('id'), safe='')}")
    return request.go("/tokens")


async def _shown(
    request: RequestContext,
    status: int = 200,
    made: Mapping[str, Any] | None = None,
    problem: Mapping[str, Any] | None = None,
) -> Response:
    found, people = await asyncio.gather(request.get("/v1/tokens"), request.get("/v1/users"))
    values = {"tokens": found["tokens"], "users": people["users"], "roles": ROLES, "days": DAYS}
    return await request.page("tokens.html.j2", status, made=made, problem=problem, **values)
