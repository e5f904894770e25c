"""One chain: its details, its certificates, its key for administrators, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from plugins.webui.client import Answer, Refused
from plugins.webui.request_context import Visit
from plugins.webui.table import MARKS, Table

PKCS12 = "application/x-pkcs12"


async def show(visit: Visit) -> Response:
    """Show all about a chain."""
    _, details = await asyncio.gather(visit.who(), visit.get(f"/v1/chains/{visit.path('id')}"))
    titles = [{"name": each["module"], "title": each["title"]} for each in details["used_by"]]
    row = Table(visit.texts, titles).chain(details["chain"], details["chain"]["used_by"])
    return await visit.page("chain.html.j2", row=row, details=details, marks=MARKS)


async def download(visit: Visit) -> Response:
    """Give the certificates."""
    path = f"/v1/chains/{visit.path('id')}/download"
    return attachment(await visit.house.api.send(visit.credentials, "GET", path))


async def ask_passphrase(visit: Visit) -> Response:
    """Ask how the key is to be protected on its way."""
    await visit.require_admin()
    details = await visit.get(f"/v1/chains/{visit.path('id')}")
    return await visit.page("export.html.j2", chain=details["chain"], problem=None, differ=False)


async def export(visit: Visit) -> Response:
    """Give certificates and key as PKCS#12."""
    form = await visit.form()
    path = f"/v1/chains/{visit.path('id')}"
    problem = None
    if form.get("passphrase") == form.get("again"):
        try:
            return attachment(await visit.export(f"{path}/export", form.get("passphrase")))
        except Refused as refused:
            if refused.status not in {400, 422}:
                raise
            problem = refused.problem
    details = await visit.get(path)
    return await visit.page("export.html.j2", 422, chain=details["chain"], problem=problem, differ=problem is None)


async def ask_delete(visit: Visit) -> Response:
    """Say who uses a chain, and ask whether it's to be deleted."""
    await visit.require_admin()
    return await _deletion(visit, 200, None)


async def _deletion(visit: Visit, status: int, problem: Mapping[str, Any] | None) -> Response:
    path = f"/v1/chains/{visit.path('id')}"
    details, effects = await asyncio.gather(visit.get(path), visit.get(f"{path}/effects"))
    return await visit.page("delete.html.j2", status, details=details, effects=effects, problem=problem)


async def delete(visit: Visit) -> Response:
    """Delete an uploaded chain."""
    await visit.form()
    path = f"/v1/chains/{visit.path('id')}"
    try:
        job = await visit.ask("DELETE", path, query={"confirmed": 1})
    except Refused as refused:
        if refused.status != 409:
            raise
        return await _deletion(visit, 409, refused.problem)
    return visit.follow(job["job"])


def attachment(answer: Answer) -> Response:
    """Pass a file of the agent on."""
    kept = ("content-type", "content-disposition")
    return Response(answer.body, headers={name: answer.headers[name] for name in kept if name in answer.headers})
