"""Who may get in: people, and programs with a token instead of a password."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from plugins.webui.client import Refused
from plugins.webui.request_context import Visit

ROLES = ("viewer", "admin")
DAYS = ("30", "90", "366")


async def tokens(visit: Visit) -> Response:
    """Show the tokens, without their texts."""
    return await _shown(visit)


async def make_token(visit: Visit) -> Response:
    """Make a token and show it, this once."""
    form = await visit.form()
    days = form.get("days")
    wanted = {
        "name": form.get("name"),
        "role": form.get("role") if form.get("role") in ROLES else ROLES[0],
        "days": int(days) if days in DAYS else int(DAYS[1]),
    }
    try:
        made = await visit.ask("POST", "/v1/tokens", wanted)
    except Refused as refused:
        if refused.status != 422:
            raise
        return await _shown(visit, 422, problem=refused.problem)
    return await _shown(visit, made=made)


async def revoke_token(visit: Visit) -> Response:
    """Let a token be good for nothing from now on."""
    form = await visit.form()
    await visit.ask("DELETE", f"/v1/tokens/{quote(form.get('id'), safe='')}")
    return visit.go("/tokens")


async def _shown(
    visit: Visit, status: int = 200, made: Mapping[str, Any] | None = None, problem: Mapping[str, Any] | None = None
) -> Response:
    found, people = await asyncio.gather(visit.get("/v1/tokens"), visit.get("/v1/users"))
    values = {"tokens": found["tokens"], "users": people["users"], "roles": ROLES, "days": DAYS}
    return await visit.page("tokens.html.j2", status, made=made, problem=problem, **values)
