"""Pages of one chain: details, certificates, pins, export with the key for administrators, and deletion."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from starlette.responses import Response

from plugins.webui.client import AgentResponse, Refused
from plugins.webui.request_context import RequestContext
from plugins.webui.table import MARKS, Table

PKCS12 = "application/x-pkcs12"


async def show(request: RequestContext) -> Response:
    """Show all about a chain."""
    return await _details(request, 200, None)


async def _details(request: RequestContext, status: int, refusal: Mapping[str, Any] | None) -> Response:
    _, details = await asyncio.gather(request.who(), request.get(f"/v1/chains/{request.path('id')}"))
    titles = [{"name": each["module"], "title": each["title"]} for each in details["used_by"]]
    row = Table(request.texts, titles).chain(details["chain"], details["chain"]["used_by"])
    return await request.page("chain.html.j2", status, row=row, details=details, marks=MARKS, refusal=refusal)


async def download(request: RequestContext) -> Response:
    """Give the certificates."""
    path = f"/v1/chains/{request.path('id')}/download"
    return attachment(await request.app_state.api.send(request.credentials, "GET", path))


async def ask_passphrase(request: RequestContext) -> Response:
    """Ask how the key is to be protected on its way."""
    await request.require_admin()
    details = await request.get(f"/v1/chains/{request.path('id')}")
    return await request.page("export.html.j2", chain=details["chain"], problem=None, differ=False)


async def export(request: RequestContext) -> Response:
    """Give certificates and key as PKCS#12."""
    form = await request.form()
    path = f"/v1/chains/{request.path('id')}"
    problem = None
    if form.get("passphrase") == form.get("again"):
        try:
            await request.give_password(form)
            return attachment(await request.export(f"{path}/export", form.get("passphrase")))
        except Refused as refused:
            if not request.wants_password(refused) and refused.status not in {400, 422, 503}:
                raise
            problem = refused.problem
    details = await request.get(path)
    return await request.page("export.html.j2", 422, chain=details["chain"], problem=problem, differ=problem is None)


async def ask_delete(request: RequestContext) -> Response:
    """Name the users of a chain, and ask whether it's to be deleted."""
    await request.require_admin()
    return await _deletion(request, 200, None)


async def _deletion(request: RequestContext, status: int, problem: Mapping[str, Any] | None) -> Response:
    path = f"/v1/chains/{request.path('id')}"
    details, effects = await asyncio.gather(request.get(path), request.get(f"{path}/effects"))
    return await request.page("delete.html.j2", status, details=details, effects=effects, problem=problem)


async def delete(request: RequestContext) -> Response:
    """Delete an uploaded chain."""
    await request.form()
    path = f"/v1/chains/{request.path('id')}"
    try:
        job = await request.ask("DELETE", path, query={"confirmed": 1})
    except Refused as refused:
        if refused.status != 409:
            raise
        return await _deletion(request, 409, refused.problem)
    return request.follow(job["job"])


async def pin(request: RequestContext) -> Response:
    """Pin an uploaded chain for a need."""
    form = await request.form()
    wanted = {"module": form.get("module"), "slot": form.get("slot"), "chain": str(request.request.path_params["id"])}
    return await _change_pin(request, request.ask("POST", "/v1/pins", wanted))


async def unpin(request: RequestContext) -> Response:
    """Take the pin of this chain for a need back; another one's, set since the page was shown, stays."""
    form = await request.form()
    query = {"module": form.get("module"), "slot": form.get("slot"), "chain": str(request.request.path_params["id"])}
    return await _change_pin(request, request.ask("DELETE", "/v1/pins", query=query))


async def _change_pin(request: RequestContext, change: Awaitable[Any]) -> Response:
    """Follow the change's job; where it is refused, show the chain as it is now, and why."""
    try:
        job = await change
    except Refused as refused:
        if refused.status != 409:
            raise
        return await _details(request, 409, refused.problem)
    return request.follow(job["job"])


def attachment(answer: AgentResponse) -> Response:
    """Pass a file of the agent on."""
    kept = ("content-type", "content-disposition")
    return Response(answer.body, headers={name: answer.headers[name] for name in kept if name in answer.headers})
