"""Pages for login, logout and the person's own password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from plugins.webui.client import Refused
from plugins.webui.request_context import RequestContext, let_in, let_out

HOME = "/certificates"


async def show(request: RequestContext) -> Response:
    """Ask for name and password."""
    return request.plain(
        "login.html.j2", problem=None, user="", next=_next(request.request.query_params.get("next", ""))
    )


async def log_in(request: RequestContext) -> Response:
    """Open a session; an earlier one of this browser ends."""
    form = await request.open_form()
    after = _next(form.get("next"))
    given = {"user": form.get("user"), "password": form.get("password")}
    try:
        opened = await request.ask(
            "POST", "/v1/session", given | ({"device": request.device} if request.device else {})
        )
    except Refused as refused:
        status = refused.status
        return request.plain("login.html.j2", status, problem=refused.problem, user=form.get("user")[:64], next=after)
    await _end(request)
    return let_in(request.go("/password" if opened["must_change"] else after), opened["token"], opened["device"])


async def log_out(request: RequestContext) -> Response:
    """End the session, also where the browser keeps its cookie."""
    await request.form()
    await _end(request)
    return let_out(request.go("/login"))


async def ask_password(request: RequestContext) -> Response:
    """Ask for another password."""
    return await _password_page(request, 200)


async def _password_page(
    request: RequestContext, status: int, problem: Mapping[str, Any] | None = None, *, differ: bool = False
) -> Response:
    await request.who()
    ends = await request.get("/v1/password/effects")
    values = {"problem": problem, "differ": differ, "tokens": ends["tokens"]}
    return await request.page("password.html.j2", status, **values)


async def change_password(request: RequestContext) -> Response:
    """Change the password; the agent ends every session and token of this person and opens a new session."""
    form = await request.form()
    if form.get("new") != form.get("again"):
        return await _password_page(request, 422, differ=True)
    change = {"old": form.get("old"), "new": form.get("new"), "confirmed": form.get("confirmed") == "1"}
    try:
        opened = await request.ask("POST", "/v1/password", change)
    except Refused as refused:
        if refused.code in {"people.session_ended", "api.login_needed"}:
            raise
        return await _password_page(request, refused.status, refused.problem)
    return let_in(request.go(HOME), opened["token"], opened["device"])


async def _end(request: RequestContext) -> None:
    if not request.session:
        return
    request.app_state.upload_drafts.forget(request.session)
    request.app_state.cache.forget(request.session)
    try:
        await request.ask("DELETE", "/v1/session")
    except Refused:
        return  # it has ended already


def _next(path: str) -> str:
    """Return an address of this web interface to go on to: never one of another server."""
    target = urlsplit(path)
    inside = path.startswith("/") and not target.netloc and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if inside and not target.scheme else HOME
