"""Page of certificates: the chain that each module uses, and uploads."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.responses import Response

from plugins.webui.client import Refused
from plugins.webui.errors import AgentSilent
from plugins.webui.request_context import RequestContext, later
from plugins.webui.table import Table

PAGE = 50
"""Rows."""
LONGEST_FILTER = 100
VIEWS = ("chains", "modules")

Json = Mapping[str, Any]


async def index(request: RequestContext) -> Response:
    """Go to the page."""
    return request.go("/certificates")


async def show(request: RequestContext) -> Response:
    """Show both tables; without the agent, what was seen last."""
    query = request.request.query_params
    try:
        who, valid, uploaded = await asyncio.gather(
            request.who(), request.get("/v1/status", **_asked(query)), request.get("/v1/status", **_uploads(query))
        )
    except AgentSilent as silent:
        return _last_seen(request, silent)
    request.app_state.cache.keep(request.session, who, valid, uploaded)
    return await request.page("certificates.html.j2", **_values(request, valid, uploaded), silent=None)


def _last_seen(request: RequestContext, silent: AgentSilent) -> Response:
    seen = request.app_state.cache.find(request.session)
    if seen is None:
        raise silent
    who, valid, uploaded = seen
    values = _values(request, valid, uploaded)
    values |= {"silent": silent.problem.to_json(), "who": who, "may_change": False}
    return later(request.plain("certificates.html.j2", 503, **values))


def _values(request: RequestContext, valid: Json, uploaded: Json) -> dict[str, Any]:
    table = Table(request.texts, valid["modules"])
    rows = table.rows(valid["rows"])
    return {
        "overview": valid,
        "rows": rows,
        "uploads": table.rows(uploaded["rows"]),
        "upload_pages": Paging(request.request.query_params, "upload_page", uploaded),
        "pages": Paging(request.request.query_params, "page", valid),
        "busy": any(row.busy for row in rows),
        "filtered": bool(_filter(request.request.query_params)),
        "filter": _filter(request.request.query_params),
        "query": request.request.url.query,
        "link": Links(request.request.query_params),
        "findings": table.findings(valid["findings"]),
    }


def _asked(query: QueryParams) -> dict[str, str | int]:
    asked: dict[str, str | int] = {"view": view_of(query), "limit": PAGE, "offset": PAGE * number_of(query, "page")}
    if query.get("attention") == "1":
        asked["attention"] = "true"
    if _filter(query):
        asked["filter"] = _filter(query)
    return asked


def _uploads(query: QueryParams) -> dict[str, str | int]:
    return {"view": "uploaded", "limit": PAGE, "offset": PAGE * number_of(query, "upload_page")}


def _filter(query: QueryParams) -> str:
    return query.get("filter", "").strip()[:LONGEST_FILTER]


def view_of(query: QueryParams) -> str:
    """Return whether the table has a row a chain or a row a module."""
    view = query.get("view", "")
    return view if view in VIEWS else VIEWS[0]


def number_of(query: QueryParams, name: str) -> int:
    """Return the number of a page, from 0."""
    text = query.get(name, "1")
    return max(0, min(int(text), 20_000) - 1) if text.isdecimal() and len(text) < 9 else 0


class Links:
    """Addresses of this page with something changed."""

    def __init__(self, query: QueryParams) -> None:
        self._kept = {name: query[name] for name in ("view", "attention", "filter") if query.get(name)}
        self.view = view_of(query)
        self.attention = query.get("attention") == "1"

    def __call__(self, **changes: str) -> str:
        """Return the address; an empty value leaves something out. Another selection begins at its first page."""
        query = {name: value for name, value in (self._kept | changes).items() if value}
        return f"/certificates?{urlencode(query)}" if query else "/certificates"


class Paging:
    """Position in a long table."""

    def __init__(self, query: QueryParams, name: str, found: Json) -> None:
        self._links = Links(query)
        self._name = name
        self.total = int(found["total"])
        self.first = int(found["offset"]) + 1 if found["rows"] else 0
        self.last = int(found["offset"]) + len(found["rows"])
        self._number = int(found["offset"]) // PAGE + 1

    @property
    def needed(self) -> bool:
        """Whether there is more than what is shown."""
        return self.total > self.last or self._number > 1

    @property
    def before(self) -> str:
        """Return the address of the page before, empty on the first."""
        return self._links(**{self._name: str(self._number - 1)}) if self._number > 1 else ""

    @property
    def after(self) -> str:
        """Return the address of the next page, empty on the last."""
        return self._links(**{self._name: str(self._number + 1)}) if self.total > self.last else ""


async def check(request: RequestContext) -> Response:
    """Have the agent look at everything now, and try again what failed."""
    await request.form()
    job = await request.ask("POST", "/v1/apply", {"retry": True})
    return request.follow(job["job"])


async def reissue(request: RequestContext) -> Response:
    """Have the agent ask for a new chain; first ask back where that drops something, or a CA made one just now: CAs count."""
    form = await request.form()
    name = form.get("name")
    if form.get("confirmed") != "1":
        recent, effects = form.get("recent") == "1", await _reissue_effects(request, name)
        if recent or effects["consequences"] or effects["unknown"] or effects["uninspected"]:
            return await request.page("reissue.html.j2", name=name, recent=recent, effects=effects)
    started = await request.ask("POST", "/v1/reissue", {"names": [name]})
    kept = {"kept": started["kept"][0]["chain"]} if started["kept"] else {}
    return request.follow(started["job"], **kept)


async def _reissue_effects(request: RequestContext, name: str) -> Json:
    """Return what modules say that a new chain breaks. Why there could be none is said when it is asked for."""
    try:
        found: Json = await request.get("/v1/reissue/effects", name=name)
    except Refused:
        return {"consequences": [], "unknown": [], "uninspected": []}
    return found
