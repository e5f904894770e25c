"""The application: the table of routes, answered."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import groupby
from operator import attrgetter

import starlette.routing
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from agent.api import problems
from agent.api.access import Caller
from agent.api.authentication import identify
from agent.api.executors import Lanes
from agent.api.request import Answer, Call
from agent.api.request_body import Content, check_headers, lower_names, read_input, read_query
from agent.api.route import Follower, Lane, Route
from agent.api.services import Office
from agent.errors.api import ApiFailed, MethodUnknown, NothingHere
from agent.errors.problem import AgentError

HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

log = logging.getLogger("chainwright.api")


def application(office: Office, routes: Iterable[Route]) -> Starlette:
    """Return the application. A connection's state names its `peer`, the uid of the process at the other end."""
    answering = Answering(office)
    by_path = groupby(sorted(routes, key=attrgetter("path")), key=attrgetter("path"))
    app = Starlette(
        routes=[_route(answering, path, {each.method: each for each in found}) for path, found in by_path],
        exception_handlers={HTTPException: answering.unknown},
    )
    app.router.redirect_slashes = False
    return app


def _route(answering: Answering, path: str, methods: Mapping[str, Route]) -> starlette.routing.Route:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await answering.answer(request, methods[method])

    return starlette.routing.Route(path, endpoint, methods=list(methods))


class Answering:
    """From a request to a response: who calls, what is asked, the handler, and what went wrong."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._lanes = Lanes()

    async def answer(self, request: Request, route: Route) -> Response:
        """Answer one request; whatever happens becomes a response."""
        content = Content(request, self._office.limits)
        try:
            call = await self._call(request, content, route)
            lane = self._lanes.run(route.lane, partial(route.handler, call))
            return self._response(await lane, call, None if request.method == "HEAD" else route.follow)
        except AgentError as error:
            return self._problem(error, closing=not await content.drain())
        except Exception:
            log.exception("%s %s failed", route.method, route.path)
            return self._problem(ApiFailed(), closing=not await content.drain())

    async def unknown(self, request: Request, error: Exception) -> Response:
        """Answer where no route fits."""
        assert isinstance(error, HTTPException)
        closing = not await Content(request, self._office.limits).drain()
        try:
            self._office.peers.check(request.state.peer)
        except AgentError as refused:
            return self._problem(refused, closing=closing)
        if error.status_code == 405:
            known = (error.headers or {}).get("Allow", "").split(", ")
            return self._problem(MethodUnknown(request.method, known), closing=closing)
        return self._problem(NothingHere(), closing=closing)

    async def _call(self, request: Request, content: Content, route: Route) -> Call:
        """Make sure who calls before anything of the content is read."""
        uid: int = request.state.peer
        self._office.peers.check(uid)
        check_headers(request, self._office.limits)
        now, headers = self._office.now(), lower_names(request)
        caller = await self._lanes.run(Lane.READ, partial(self._identify, uid, headers, route))
        query = read_query(request, route.query)
        body = await read_input(request, content, route)
        return Call(self._office, caller, now, request.path_params, query, body, headers)

    def _identify(self, uid: int, headers: Mapping[str, str], route: Route) -> Caller:
        with self._office.people() as people:
            return identify(self._office.peers, uid, headers, route.access, people, self._office.now())

    def _response(self, answer: Answer, call: Call, follow: Follower | None) -> Response:
        headers = {**HEADERS, **answer.headers}
        if follow is not None:
            return StreamingResponse(follow(call), answer.status, headers, answer.media_type)
        if answer.content is None:
            return Response(status_code=answer.status, headers=headers)
        content = answer.content if isinstance(answer.content, bytes) else self._office.json(answer.content)
        return Response(content, answer.status, headers, answer.media_type)

    def _problem(self, error: AgentError, *, closing: bool) -> Response:
        """`closing`: the rest of the request has not come."""
        headers = {**HEADERS, **problems.headers_of(error, self._office.now())}
        if closing:
            headers["connection"] = "close"
        content = self._office.json(problems.details_of(error))
        return Response(content, problems.status_of(error), headers, problems.MEDIA_TYPE)
