"""What the root has signed for others: its files, its list of what was revoked, and taking something back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from plugins.webui.client import Refused
from plugins.webui.pages.chain import attachment
from plugins.webui.request_context import Visit

FORMATS = ("pem", "der")
REASONS = (
    "unspecified",
    "keyCompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "privilegeWithdrawn",
)


async def download(visit: Visit) -> Response:
    """Give a peer certificate."""
    path = f"/v1/root/peers/{visit.path('id')}/download"
    return attachment(await visit.house.api.send(visit.credentials, "GET", path))


async def crl(visit: Visit) -> Response:
    """Give the root's list of what it has revoked, to anybody: it is public."""
    form = visit.request.query_params.get("format", FORMATS[0])
    query = {"format": form if form in FORMATS else FORMATS[0]}
    return attachment(await visit.house.api.send(visit.credentials, "GET", "/v1/root/crl", query=query))


async def ask_revoke(visit: Visit) -> Response:
    """Say what taking something back would do, and ask for the reason."""
    await visit.require_admin()
    return await _asked(visit, 200, None)


async def revoke(visit: Visit) -> Response:
    """Have the agent revoke it."""
    form = await visit.form()
    wish = {"serial": visit.path("id"), "reason": form.get("reason") or REASONS[0], "confirmed": True}
    try:
        job = await visit.ask("POST", "/v1/root/revoke", wish)
    except Refused as refused:
        if refused.status not in {400, 409}:
            raise
        return await _asked(visit, refused.status, refused.problem)
    return visit.follow(job["job"])


async def _asked(visit: Visit, status: int, problem: Mapping[str, Any] | None) -> Response:
    effects = await visit.get(f"/v1/root/signed/{visit.path('id')}/effects")
    return await visit.page("revoke.html.j2", status, effects=effects, reasons=REASONS, problem=problem)
