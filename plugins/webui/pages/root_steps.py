"""Pages on which the prepared root begins to sign, and the one that was replaced retires: now, or on a date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from plugins.webui.client import Refused
from plugins.webui.request_context import RequestContext

WORDS = {"begin": "BEGIN", "retire": "RETIRE"}
SHOWN_AGAIN = {"api.not_typed", "root.step_too_late", "api.malformed"}


async def ask_begin(request: RequestContext) -> Response:
    """Say what breaks if the prepared root signs now, and ask for a date or the word."""
    await request.require_admin()
    return await _ask(request, "begin", of=request.request.query_params.get("of", ""))


async def begin(request: RequestContext) -> Response:
    """Have it sign."""
    return await _do(request, "begin")


async def ask_retire(request: RequestContext) -> Response:
    """Say who is cut off if the replaced root retires now, and ask for a date or the word."""
    await request.require_admin()
    return await _ask(request, "retire", of=request.request.query_params.get("of", ""))


async def retire(request: RequestContext) -> Response:
    """Have it retire."""
    return await _do(request, "retire")


async def _ask(
    request: RequestContext, step: str, status: int = 200, problem: Mapping[str, Any] | None = None, **given: str
) -> Response:
    of = given.get("of", "")
    found = await request.get(f"/v1/root/{step}", **({"of": of} if of else {}))
    effects = found["effects"] if step == "begin" else found
    values: dict[str, Any] = {"step": step, "found": found, "effects": effects, "word": WORDS[step], "problem": problem}
    return await request.page(
        "root_step.html.j2", status, **values, typed=given.get("typed", ""), day=given.get("day", "")
    )


async def _do(request: RequestContext, step: str) -> Response:
    form = await request.form()
    day, typed, of = form.get("day"), form.get("typed"), form.get("of")
    try:
        await request.give_password(form)
        body = {"at": f"{day}T00:00:00Z"} if day else {"typed": typed}
        body |= {"of": of} if of else {}
        job = await request.ask("POST", f"/v1/root/{step}", body)
    except Refused as refused:
        if not request.wants_password(refused) and refused.code not in SHOWN_AGAIN:
            raise
        return await _ask(request, step, refused.status, refused.problem, typed=typed, day=day, of=of)
    return request.follow(job["job"])
