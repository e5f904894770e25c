"""The page: which chain each module uses, and what was uploaded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.responses import Response

from plugins.webui.client import Refused
from plugins.webui.errors import AgentSilent
from plugins.webui.request_context import Visit
from plugins.webui.table import Table

PAGE = 50
"""Rows."""
LONGEST_FILTER = 100
WINDOW = "status.window"
"""Code of what waits for an activation window."""
VIEWS = ("chains", "modules")

Json = Mapping[str, Any]


async def index(visit: Visit) -> Response:
    """Go to the page."""
    return visit.go("/certificates")


async def show(visit: Visit) -> Response:
    """Show both tables; without the agent, what was seen last."""
    query = visit.request.query_params
    try:
        who, valid, uploaded = await asyncio.gather(
            visit.who(), visit.get("/v1/status", **_asked(query)), visit.get("/v1/status", **_uploads(query))
        )
    except AgentSilent as silent:
        return _last_seen(visit, silent)
    visit.house.remembered.keep(visit.session, who, valid, uploaded)
    return await visit.page("certificates.html.j2", **_values(visit, valid, uploaded), silent=None)


def _last_seen(visit: Visit, silent: AgentSilent) -> Response:
    seen = visit.house.remembered.find(visit.session)
    if seen is None:
        raise silent
    who, valid, uploaded = seen
    values = _values(visit, valid, uploaded)
    values |= {"silent": silent.problem.to_json(), "who": who, "may_change": False}
    return visit.plain("certificates.html.j2", 503, **values)


def _values(visit: Visit, valid: Json, uploaded: Json) -> dict[str, Any]:
    table = Table(visit.texts, valid["modules"])
    rows = table.rows(valid["rows"])
    return {
        "overview": valid,
        "rows": rows,
        "uploads": table.rows(uploaded["rows"]),
        "upload_pages": Paging(visit.request.query_params, "upload_page", uploaded),
        "pages": Paging(visit.request.query_params, "page", valid),
        "busy": any(row.busy for row in rows),
        "filtered": bool(_filter(visit.request.query_params)),
        "filter": _filter(visit.request.query_params),
        "query": visit.request.url.query,
        "link": Links(visit.request.query_params),
        "waits": [each for each in valid["modules"] if (each["problem"] or {}).get("code") == WINDOW],
        "troubles": [each for each in valid["modules"] if each["problem"] and each["state"] == "failed"],
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
    """Return which way round the table stands."""
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
    """Where in a long table one is."""

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


async def check(visit: Visit) -> Response:
    """Have the agent look at everything now, and try again what failed."""
    await visit.form()
    job = await visit.ask("POST", "/v1/apply", {"retry": True})
    return visit.follow(job["job"])


async def reissue(visit: Visit) -> Response:
    """Have the agent ask for a new chain; first ask back where that drops something, or a CA made one just now: CAs count."""
    form = await visit.form()
    name = form.get("name")
    if form.get("confirmed") != "1":
        recent, effects = form.get("recent") == "1", await _reissue_effects(visit, name)
        if recent or effects["consequences"] or effects["unknown"] or effects["uninspected"]:
            return await visit.page("reissue.html.j2", name=name, recent=recent, effects=effects)
    started = await visit.ask("POST", "/v1/reissue", {"names": [name]})
    kept = {"kept": started["kept"][0]["chain"]} if started["kept"] else {}
    return visit.follow(started["job"], **kept)


async def _reissue_effects(visit: Visit, name: str) -> Json:
    """Return what modules say that a new chain breaks. Why there could be none is said when it is asked for."""
    try:
        found: Json = await visit.get("/v1/reissue/effects", name=name)
    except Refused:
        return {"consequences": [], "unknown": [], "uninspected": []}
    return found
