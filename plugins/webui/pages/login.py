"""Getting in, getting out, and a password of one's own."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.responses import Response

from plugins.webui.client import Refused
from plugins.webui.request_context import Visit, let_in, let_out

HOME = "/certificates"


async def show(visit: Visit) -> Response:
    """Ask for name and password."""
    return visit.plain("login.html.j2", problem=None, user="", next=_next(visit.request.query_params.get("next", "")))


async def log_in(visit: Visit) -> Response:
    """Open a session; an earlier one of this browser ends."""
    form = await visit.open_form()
    after = _next(form.get("next"))
    try:
        opened = await visit.ask("POST", "/v1/session", {"user": form.get("user"), "password": form.get("password")})
    except Refused as refused:
        status = refused.status
        return visit.plain("login.html.j2", status, problem=refused.problem, user=form.get("user")[:64], next=after)
    await _end(visit)
    return let_in(visit.go("/password" if opened["must_change"] else after), opened["token"])


async def log_out(visit: Visit) -> Response:
    """End the session, whatever becomes of the browser's copy."""
    await visit.form()
    await _end(visit)
    return let_out(visit.go("/login"))


async def ask_password(visit: Visit) -> Response:
    """Ask for another password."""
    return await visit.page("password.html.j2", problem=None, differ=False)


async def change_password(visit: Visit) -> Response:
    """Change the password; the agent ends every session of this person and opens a new one."""
    form = await visit.form()
    if form.get("new") != form.get("again"):
        return await visit.page("password.html.j2", 422, problem=None, differ=True)
    try:
        opened = await visit.ask("POST", "/v1/password", {"old": form.get("old"), "new": form.get("new")})
    except Refused as refused:
        if refused.code in {"people.session_ended", "api.login_needed"}:
            raise
        return await visit.page("password.html.j2", refused.status, problem=refused.problem, differ=False)
    return let_in(visit.go(HOME), opened["token"])


async def _end(visit: Visit) -> None:
    if not visit.session:
        return
    visit.house.pending.forget(visit.session)
    visit.house.remembered.forget(visit.session)
    try:
        await visit.ask("DELETE", "/v1/session")
    except Refused:
        return  # it has ended already


def _next(path: str) -> str:
    """Return an address of this web interface to go on to: never one of another server."""
    target = urlsplit(path)
    inside = path.startswith("/") and not target.netloc and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if inside and not target.scheme else HOME
