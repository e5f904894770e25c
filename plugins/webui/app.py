"""Application of the web interface: addresses and error pages."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from plugins.webui import csrf
from plugins.webui.agent_clock import AgentClock
from plugins.webui.cache import SessionCache
from plugins.webui.catalogue import Catalogue
from plugins.webui.client import Api, Refused
from plugins.webui.content import ContentBudget
from plugins.webui.errors import (
    AgentSilent,
    FormMalformed,
    FormStale,
    FormTooLarge,
    FormTooSlow,
    FormUnexpected,
    FromElsewhere,
    OnlyForAdmins,
    PageFailed,
    TemplateBroken,
    TooManyForms,
    UploadForgotten,
    WebUIError,
)
from plugins.webui.headers import Hardened
from plugins.webui.rendering import Pages
from plugins.webui.request_context import AppState, RequestContext, later, let_out
from plugins.webui.routes import PAGES
from plugins.webui.shown_once import ShownOnce
from plugins.webui.static_files import Statics
from plugins.webui.upload_drafts import UploadDrafts

Handler = Callable[[RequestContext], Awaitable[Response]]

STATUSES: dict[type[WebUIError], int] = {
    AgentSilent: 503,
    FromElsewhere: 403,
    OnlyForAdmins: 403,
    FormStale: 403,
    FormMalformed: 400,
    FormTooLarge: 413,
    FormTooSlow: 408,
    FormUnexpected: 413,
    TooManyForms: 503,
    UploadForgotten: 410,
}

log = logging.getLogger("chainwright.webui")


def application(
    templates: Sequence[Path], socket: Path, clock: AgentClock, cache: SessionCache, drafts: UploadDrafts
) -> Hardened:
    """Return the application.

    `templates`: the module's template directories, the operator's first; `socket`: that of the agent's API; `clock`: is set by
    its answers.
    """
    statics = Statics()
    app_state = AppState(
        Api(socket, clock),
        clock,
        Pages(templates, statics.addresses, clock),
        Catalogue(),
        statics,
        drafts,
        ShownOnce(),
        cache,
        ContentBudget(),
    )
    answering = Answering(app_state)
    routes = [
        Route("/generation", _generation),
        *(Route(path, answering.endpoint(handler), methods=[method]) for method, path, handler in PAGES),
    ]
    app = Starlette(routes=routes, exception_handlers={404: answering.unknown, 405: answering.refused})
    app.router.redirect_slashes = False  # it would redirect to the name in the Host header
    return Hardened(app)


class Answering:
    """Answers each request, with an error page where something fails."""

    def __init__(self, app_state: AppState) -> None:
        self._app_state = app_state

    def endpoint(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Return what Starlette calls for an address."""

        async def endpoint(request: Request) -> Response:
            return await self._answer(RequestContext(request, self._app_state), handler)

        return endpoint

    async def unknown(self, request: Request, _: Exception) -> Response:
        """Answer where there is no page."""
        if request.method not in csrf.SAFE:
            return await self.refused(request, _)
        return await self._answer(RequestContext(request, self._app_state), _nowhere)

    async def refused(self, request: Request, _: Exception) -> Response:
        """Answer where there is a page, but not for this method."""
        return await self._answer(RequestContext(request, self._app_state), _only_read, guarded=False)

    async def _answer(self, request: RequestContext, handler: Handler, *, guarded: bool = True) -> Response:
        try:
            return await self._checked(request, handler, guarded)
        except TemplateBroken as error:
            log.error("%s", " ".join(str(error).splitlines()))
            text = f"A template of this page is broken ({TemplateBroken.code}); the log says where.\n"
            return PlainTextResponse(text, 500)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody gets it
        except Exception:
            log.exception("%s %s failed", request.request.method, request.request.url.path)
            failed = PageFailed().problem.to_json()
            return request.plain("problem.html.j2", 500, problem=failed, title_key="problem")
        finally:
            request.release()

    async def _checked(self, request: RequestContext, handler: Handler, guarded: bool) -> Response:
        try:
            if guarded:
                csrf.check_origin(request.request.method, request.request.headers)
            return await handler(request)
        except Refused as refused:
            return await _of_agent(request, refused)
        except TemplateBroken:
            raise
        except WebUIError as error:
            status = STATUSES[type(error)]
            values = {"problem": error.problem.to_json(), "title_key": "problem"}
            answer = request.plain("problem.html.j2", status, who=request.seen(), **values)
            return later(answer) if status == 503 else answer


async def _of_agent(request: RequestContext, refused: Refused) -> Response:
    """Show what the agent refuses; who is not logged in, or has to change the password first, is sent there."""
    if refused.status == 401:
        return let_out(request.go("/login", **_back(request)))
    if refused.code == "people.password_change_needed":
        return request.go("/password")
    await request.known()
    return request.plain("problem.html.j2", refused.status, problem=refused.problem, title_key="problem")


def _back(request: RequestContext) -> dict[str, str]:
    """Return where to go on after the login: only to what can be looked at."""
    address = request.request.url
    if request.request.method != "GET" or request.partial or address.path == "/certificates":
        return {}
    return {"next": address.path}


async def _generation(request: Request) -> Response:
    return JSONResponse({"generation": request.state.chain.generation})


async def _nowhere(request: RequestContext) -> Response:
    return request.plain("problem.html.j2", 404, problem=None, title_key="nowhere", who=await request.known())


async def _only_read(request: RequestContext) -> Response:
    answer = request.plain("problem.html.j2", 405, problem=None, title_key="only_read")
    answer.headers["allow"] = "GET, HEAD"
    return answer
