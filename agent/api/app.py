"""The ASGI application: routes, authentication and errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from email.utils import format_datetime
from functools import partial
from itertools import groupby
from operator import attrgetter

import starlette.routing
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.api import problems
from agent.api.access import Caller
from agent.api.authentication import CLIENT, identify, without_session
from agent.api.executors import Executors, place_of
from agent.api.fair_queue import Place
from agent.api.logins import Logins
from agent.api.request import ApiRequest, ApiResponse
from agent.api.request_body import (
    Content,
    ContentBudget,
    check_headers,
    largest_of,
    lower_names,
    read_input,
    read_query,
)
from agent.api.route import Follower, Pool, Route
from agent.api.services import ApiServices
from agent.api.streams import Stream, Streams
from agent.auth.login_attempt import Standings
from agent.errors import AgentError
from agent.errors.api import BadRequest, InternalError, MethodNotAllowed, NotFound

HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

log = logging.getLogger("chainwright.api")


def application(services: ApiServices, routes: Iterable[Route]) -> Starlette:
    """Return the application. A connection's state names its `peer`, the uid of the process at the other end."""
    dispatcher = Dispatcher(services)
    by_path = groupby(sorted(routes, key=attrgetter("path")), key=attrgetter("path"))
    app = Starlette(
        routes=[_route(dispatcher, path, {each.method: each for each in found}) for path, found in by_path],
        exception_handlers={HTTPException: dispatcher.unknown},
    )
    app.router.redirect_slashes = False
    return app


def _route(dispatcher: Dispatcher, path: str, methods: Mapping[str, Route]) -> starlette.routing.Route:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await dispatcher.answer(request, methods[method])

    return starlette.routing.Route(path, endpoint, methods=list(methods))


class Dispatcher:
    """Dispatch of a request: authentication, validation, the handler, and errors as problem details."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services
        self._executors = Executors()
        self._budget = ContentBudget(services.limits.contents_octets)
        self._streams = Streams()
        self._logins = Logins(self._standings, services.now)

    async def answer(self, received: Request, route: Route) -> Response:
        """Answer one request; whatever happens becomes a response."""
        limits = self._services.limits
        content = Content(received, limits, self._budget, largest=largest_of(route, limits))
        try:
            request = await self._request(received, content, route)
            follow = None if received.method == "HEAD" else route.follow
            if follow is not None:
                self._streams.check(request.caller)
            return self._response(await self._handled(route, request), request, follow)
        except AgentError as error:
            return self._problem(error, closing=not await content.drain())
        except Exception:
            log.exception("%s %s failed", route.method, route.path)
            return self._problem(InternalError(), closing=not await content.drain())
        finally:
            content.release()

    async def _handled(self, route: Route, request: ApiRequest) -> ApiResponse:
        handler = partial(route.handler, request)
        if route.pool is not Pool.PASSWORD:
            return await self._executors.run(route.pool, place_of(request.caller), handler)
        attempt = route.attempt_of(request)
        with self._logins.told(attempt):
            ticket = self._logins.ticket(attempt)
            return await self._executors.run(route.pool, ticket, partial(self._logins.work, handler))

    async def unknown(self, request: Request, error: Exception) -> Response:
        """Answer where no route fits."""
        assert isinstance(error, HTTPException)
        closing = not await Content(request, self._services.limits, self._budget).drain()
        try:
            self._services.peers.check(request.state.peer)
        except AgentError as refused:
            return self._problem(refused, closing=closing)
        if error.status_code == 405:
            known = (error.headers or {}).get("Allow", "").split(", ")
            return self._problem(MethodNotAllowed(request.method, known), closing=closing)
        return self._problem(NotFound(), closing=closing)

    async def _request(self, request: Request, content: Content, route: Route) -> ApiRequest:
        """Make sure who calls before anything of the content is read."""
        # Until it is seen whether the client is still there: after a pause nobody waits for many requests.
        await asyncio.sleep(0)
        if request.state.gone():
            raise BadRequest("it broke off")
        uid: int = request.state.peer
        self._services.peers.check(uid)
        check_headers(request, self._services.limits)
        now, headers = self._services.now(), lower_names(request)
        caller = without_session(self._services.peers, uid, headers, route.access)
        if caller is None:
            place = Place(0, (headers["authorization"], headers.get(CLIENT, "")))
            caller = await self._executors.run(Pool.IDENTIFY, place, partial(self._identify, uid, headers, route))
        query = read_query(request, route.query)
        body = await read_input(request, content, route)
        return ApiRequest(self._services, caller, now, request.path_params, query, body, headers)

    def _identify(self, uid: int, headers: Mapping[str, str], route: Route) -> Caller:
        with self._services.accounts() as accounts:
            caller = identify(
                self._services.peers,
                uid,
                headers,
                accounts,
                self._services.now(),
                access=route.access,
                proof=route.proof,
            )
            if route.changes:
                accounts.check_rate(caller.name, self._services.now())
            return caller

    def _standings(self) -> Standings:
        with self._services.accounts() as accounts:
            return accounts.standings()

    def _response(self, answer: ApiResponse, request: ApiRequest, follow: Follower | None) -> Response:
        headers = {**self._shared_headers(), **answer.headers}
        if follow is not None:
            place = self._streams.place(request.caller)
            return Stream(place, follow(request), answer.status, headers, answer.media_type)
        if answer.content is None:
            return Response(status_code=answer.status, headers=headers)
        content = answer.content if isinstance(answer.content, bytes) else self._services.json(answer.content)
        return Response(content, answer.status, headers, answer.media_type)

    def _problem(self, error: AgentError, *, closing: bool) -> Response:
        """`closing`: the rest of the request has not come."""
        headers = {**self._shared_headers(), **problems.headers_of(error, self._services.now())}
        if closing:
            headers["connection"] = "close"
        content = self._services.json(problems.details_of(error))
        return Response(content, problems.status_of(error), headers, problems.MEDIA_TYPE)

    def _shared_headers(self) -> dict[str, str]:
        """Return the headers of every answer; its date is of the clock that is believed, which may not be the machine's."""
        return {"date": format_datetime(self._services.now(), usegmt=True), **HEADERS}
