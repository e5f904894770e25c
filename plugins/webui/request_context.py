"""Context of a browser's request: person, form and answer."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from plugins.webui import csrf, shown_once
from plugins.webui.agent_clock import AgentClock
from plugins.webui.cache import SessionCache
from plugins.webui.catalogue import Catalogue, Texts
from plugins.webui.client import JSON, AgentResponse, Api, Credentials, Query, Refused
from plugins.webui.content import BEFORE_LOGIN, Content, ContentBudget
from plugins.webui.errors import AgentSilent, OnlyForAdmins
from plugins.webui.forms import File, Form, check_kind, read_form
from plugins.webui.rendering import Pages
from plugins.webui.shown_once import ShownOnce
from plugins.webui.static_files import Statics
from plugins.webui.upload_drafts import KEPT, UploadDrafts

COOKIE = "__Host-chainwright"
"""The prefix makes browsers insist on Secure, on the path / and on no domain (RFC 6265bis section 4.1.3.2)."""
DEVICE_COOKIE = "__Host-chainwright-device"
"""What says that somebody has logged in from this browser before. It opens nothing."""
DEVICE_SECONDS = 180 * 24 * 3600
ADMIN = "admin"
RETRY_AFTER = 5
"""Seconds."""
DEVICE = re.compile(r"[A-Za-z0-9_-]{1,64}")
SESSION = re.compile(r"cws_[A-Za-z0-9_-]{1,200}")
"""A session's text; a token's is for programs, and no cookie."""
PASSWORD_CODES = {"people.password_needed", "people.password_wrong", "people.too_many_tries"}
TIME_TO_FILL_IN = timedelta(minutes=1)
"""For a form: if the password counts for less, it is asked for in the form already."""


@dataclass(frozen=True, slots=True)
class AppState:
    """State that all requests share."""

    api: Api
    clock: AgentClock
    pages: Pages
    catalogue: Catalogue
    statics: Statics
    upload_drafts: UploadDrafts
    shown_once: ShownOnce
    cache: SessionCache
    budget: ContentBudget


class RequestContext:
    """Request, with everything that answers it."""

    def __init__(self, request: Request, app_state: AppState) -> None:
        self.request = request
        self.app_state = app_state
        self._form: Form | None = None
        self._content: Content | None = None
        self._who: Mapping[str, Any] | None = None
        self._password_refused = False

    @property
    def session(self) -> str:
        """The session's text, empty where the browser shows none, or one that could not be the agent's."""
        text = self.request.cookies.get(COOKIE, "")
        return text if SESSION.fullmatch(text) else ""

    @property
    def device(self) -> str:
        """What the browser shows as its own, empty where it shows none, or what could not be the agent's."""
        text = self.request.cookies.get(DEVICE_COOKIE, "")
        return text if DEVICE.fullmatch(text) else ""

    @property
    def texts(self) -> Texts:
        """The texts in the browser's language."""
        return self.app_state.catalogue.choose(self.request.headers.get("accept-language", ""))

    @property
    def partial(self) -> bool:
        """Whether htmx asks for a part of a page, to be put into the one that is open."""
        return self.request.headers.get("hx-request") == "true"

    @property
    def credentials(self) -> Credentials:
        """On whose behalf the agent is asked."""
        client = self.request.client
        return Credentials(self.session, client.host if client else "")

    def path(self, name: str) -> str:
        """Return a part of the address, quoted for the agent's."""
        return quote(str(self.request.path_params[name]), safe="")

    # What is asked of the agent

    async def get(self, path: str, **query: str | int) -> Any:
        """Return what the agent answers to GET. Raises `Refused` and `AgentSilent`."""
        return await self.app_state.api.ask(self.credentials, "GET", path, query=query)

    async def ask(self, method: str, path: str, content: object = None, query: Query | None = None) -> Any:
        """Have the agent change something. Raises `Refused` and `AgentSilent`."""
        return await self.app_state.api.ask(self.credentials, method, path, query=query, content=content)

    async def who(self) -> Mapping[str, Any]:
        """Return the person who has logged in. Raises `Refused` without a login."""
        if self._who is None:
            self._who = await self.get("/v1/session")
            self.request.state.authenticated()
        return self._who

    async def known(self) -> Mapping[str, Any] | None:
        """Return the person who has logged in; None without a login, or where the agent does not answer."""
        try:
            return await self.who() if self.session else None
        except (Refused, AgentSilent):
            return None

    def seen(self) -> Mapping[str, Any] | None:
        """Return the person as the agent has named them last, None if it hasn't: for the frame of a page without the agent."""
        seen = self.app_state.cache.find(self.session)
        return self._who or (seen[0] if seen else None)

    async def require_admin(self) -> None:
        """Raise `OnlyForAdmins` for a person who may only look, before a form is filled in for nothing."""
        who = await self.who()
        if who["role"] != ADMIN:
            raise OnlyForAdmins(who["user"])

    # What was sent

    async def form(self) -> Form:
        """Return the form, made sure that it is of this session. Raises `WebUIError`."""
        if self._form is None:
            self._form = await self._read(self.session)
            csrf.check_form_token(self.session, self._form.get(csrf.FIELD))
        return self._form

    async def give_password(self, form: Form) -> None:
        """Give the agent the password that the form has asked for. Raises `Refused` where `wants_password` is true of it."""
        if form.get("password"):
            self._who = await self.ask("POST", "/v1/session/password", {"password": form.get("password")})

    def wants_password(self, refused: Refused) -> bool:
        """Whether the agent refuses because the password is needed, or wrong: the form is shown again and asks for it."""
        self._password_refused = self._password_refused or refused.code in PASSWORD_CODES
        return refused.code in PASSWORD_CODES

    async def export(self, path: str, passphrase: str) -> AgentResponse:
        """Return a chain with its key, protected by a passphrase. Raises as `get` does."""
        body = json.dumps({"passphrase": passphrase}).encode()
        return await self.app_state.api.send(self.credentials, "POST", path, body=(body,), kind=JSON)

    async def open_form(self) -> Form:
        """Return a form that needs no session. Raises `WebUIError`."""
        return await self._read("")

    async def _read(self, session: str) -> Form:
        """Read a form: a large one only of an administrator, so that nobody else has a part of the memory for these."""
        kind = self.request.headers.get("content-type", "")
        self._content = Content(self.request, self.app_state.budget, session)
        check_kind(kind)
        self._content.check_size()
        if session and (await self.who())["role"] != ADMIN:
            await self._check_small()
            self._content = Content(self.request, self.app_state.budget, "")
        return await read_form(kind, self._content)

    async def _check_small(self) -> None:
        if int(self.request.headers["content-length"]) > BEFORE_LOGIN:
            await self.require_admin()

    def keep_draft(self, fields: Mapping[str, str], files: tuple[File, ...]) -> str:
        """Return the word by which what was sent is found again; it is dropped when its time is over."""
        drafts = self.app_state.upload_drafts
        word = drafts.keep(self.session, fields, files)
        asyncio.get_running_loop().call_later(KEPT, drafts.expire)
        return word

    def show_once(self, value: Mapping[str, Any]) -> str:
        """Return the word by which the next page of the session shows `value`, which is dropped when nobody asks in time."""
        kept = self.app_state.shown_once
        word = kept.keep(self.session, value)
        asyncio.get_running_loop().call_later(shown_once.KEPT, kept.expire)
        return word

    def release(self) -> None:
        """Give back the memory that its form has held, once it is answered."""
        if self._content is not None:
            self._content.release()

    # Answers

    async def page(self, name: str, status: int = 200, /, **values: object) -> Response:
        """Return a page for a person who has logged in; to htmx, only the part that is in the template of this name."""
        who = await self.who()
        return self.plain(name, status, who=who, **values)

    def plain(self, name: str, status: int = 200, /, **values: object) -> Response:
        """Return a page for anybody."""
        who = values.setdefault("who", self._who)
        values.setdefault("may_change", isinstance(who, Mapping) and who["role"] == ADMIN)
        shared = {
            "asks_password": self._password_refused or _is_due(who, self.app_state.clock()),
            "form_token": csrf.form_token(self.session) if self.session else "",
            "partial": self.partial,
            "address": self.request.url.path,
            "slot": getattr(self.request.state, "chain", None),
        }
        return self.app_state.pages.answer(self.texts, name, status, **shared, **values)

    def go(self, path: str, **query: str) -> Response:
        """Send the browser to another page (303: with GET)."""
        target = f"{path}?{urlencode(query)}" if query else path
        if self.partial:
            return Response(headers={"hx-redirect": target})
        return RedirectResponse(target, 303)

    def follow(self, job: str, **query: str) -> Response:
        """Send the browser to a job: in the dialog, if it was asked for with htmx."""
        target = f"/jobs/{quote(job, safe='')}" + (f"?{urlencode(query)}" if query else "")
        if self.partial:
            place = {"path": target, "target": "#dialog-body", "push": "false"}
            return Response(headers={"hx-location": json.dumps(place)})
        return RedirectResponse(target, 303)


def _is_due(who: object, now: datetime) -> bool:
    """Whether what weighs much needs the password of `who` again."""
    until = who.get("password_until") if isinstance(who, Mapping) else None
    return until is not None and datetime.fromisoformat(until) < now + TIME_TO_FILL_IN


def let_in(response: Response, session: str, device: str) -> Response:
    """Have the browser show this session from now on, to us alone, and not after it is closed.

    `device`: what it shows at later logins; empty: what it has.
    """
    response.set_cookie(COOKIE, session, path="/", secure=True, httponly=True, samesite="strict")
    if device:
        response.set_cookie(
            DEVICE_COOKIE, device, max_age=DEVICE_SECONDS, path="/", secure=True, httponly=True, samesite="strict"
        )
    return response


def let_out(response: Response) -> Response:
    """Have the browser forget its session."""
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return response


def later(response: Response) -> Response:
    """Have the client try again after some seconds: the agent doesn't answer, or too much is asked of us."""
    response.headers["retry-after"] = str(RETRY_AFTER)
    return response
