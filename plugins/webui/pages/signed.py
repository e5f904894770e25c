"""Pages of peer certificates: downloads, the list of revoked certificates, revocation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from plugins.webui.client import Refused
from plugins.webui.pages.chain import attachment
from plugins.webui.request_context import RequestContext

FORMATS = ("pem", "der")
REASONS = (
    "unspecified",
    "keyCompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "privilegeWithdrawn",
)


async def download(request: RequestContext) -> Response:
    """Give a peer certificate."""
    path = f"/v1/root/peers/{request.path('id')}/download"
    return attachment(await request.app_state.api.send(request.credentials, "GET", path))


async def crl(request: RequestContext) -> Response:
    """Give the root's list of what it has revoked, to anybody: it is public."""
    form = request.request.query_params.get("format", FORMATS[0])
    query = {"format": form if form in FORMATS else FORMATS[0]}
    return attachment(await request.app_state.api.send(request.credentials, "GET", "/v1/root/crl", query=query))


async def ask_revoke(request: RequestContext) -> Response:
    """Say what taking something back would do, and ask for the reason."""
    await request.require_admin()
    return await _asked(request, 200, None)


async def revoke(request: RequestContext) -> Response:
    """Have the agent revoke it."""
    form = await request.form()
    wish = {"serial": request.path("id"), "reason": form.get("reason") or REASONS[0], "confirmed": True}
    try:
        await request.give_password(form)
        job = await request.ask("POST", "/v1/root/revoke", wish)
    except Refused as refused:
        if not request.wants_password(refused) and refused.status not in {400, 409}:
            raise
        return await _asked(request, refused.status, refused.problem, form.get("reason"))
    return request.follow(job["job"])


async def _asked(request: RequestContext, status: int, problem: Mapping[str, Any] | None, reason: str = "") -> Response:
    effects = await request.get(f"/v1/root/signed/{request.path('id')}/effects")
    values = {"effects": effects, "reasons": REASONS, "reason": reason, "problem": problem}
    return await request.page("revoke.html.j2", status, **values)
