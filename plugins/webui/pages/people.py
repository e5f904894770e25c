"""Page of users, and of tokens for programs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from plugins.webui.client import Refused
from plugins.webui.request_context import RequestContext

ROLES = ("viewer", "admin")
DAYS = ("30", "90", "366")
NOTHING_GIVEN = {"name": "", "role": ROLES[0], "days": int(DAYS[1])}


async def tokens(request: RequestContext) -> Response:
    """Show the tokens, without their texts; that of one that was just made, this once."""
    word = request.request.query_params.get("made", "")
    return await _shown(request, made=request.app_state.shown_once.take(request.session, word))


async def make_token(request: RequestContext) -> Response:
    """Make a token, and have the page after it show its text."""
    form = await request.form()
    days = form.get("days")
    wanted = {
        "name": form.get("name"),
        "role": form.get("role") if form.get("role") in ROLES else ROLES[0],
        "days": int(days) if days in DAYS else int(DAYS[1]),
    }
    try:
        await request.give_password(form)
        made = await request.ask("POST", "/v1/tokens", wanted)
    except Refused as refused:
        if not request.wants_password(refused) and refused.status != 422:
            raise
        return await _shown(request, refused.status, problem=refused.problem, given=wanted)
    return request.go("/tokens", made=request.show_once(made))


async def ask_revoke(request: RequestContext) -> Response:
    """Say which token ends, and ask."""
    await request.require_admin()
    found = await request.get("/v1/tokens")
    token = next((each for each in found["tokens"] if each["id"] == request.request.path_params["id"]), None)
    if token is None:  # it was revoked by somebody else, or from another page
        return request.go("/tokens")
    return await request.page("token_revoke.html.j2", token=token)


async def revoke_token(request: RequestContext) -> Response:
    """Let a token be good for nothing from now on."""
    await request.form()
    await request.ask("DELETE", f"/v1/tokens/{request.path('id')}")
    return request.go("/tokens")


async def _shown(
    request: RequestContext,
    status: int = 200,
    made: Mapping[str, Any] | None = None,
    problem: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] = NOTHING_GIVEN,
) -> Response:
    found, people = await asyncio.gather(request.get("/v1/tokens"), request.get("/v1/users"))
    values = {"tokens": found["tokens"], "users": people["users"], "roles": ROLES, "days": DAYS, "given": given}
    return await request.page("tokens.html.j2", status, made=made, problem=problem, **values)
