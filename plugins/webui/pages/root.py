"""Pages of the root: details, public certificate, reissue and replacement."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from plugins.webui.client import Refused
from plugins.webui.forms import Form, multipart
from plugins.webui.pages.chain import attachment
from plugins.webui.request_context import RequestContext

FORMATS = ("pem", "der", "mobileconfig", "cross")
REISSUE = "REISSUE"
REPLACE = "REPLACE"
NOT_TYPED = "api.not_typed"
SHA256 = re.compile("[0-9a-f]{64}")
NEEDS_PASSPHRASE = {"upload.passphrase_missing", "upload.passphrase_wrong"}


async def show(request: RequestContext) -> Response:
    """Show all about the root, and how to install it."""
    _, found, signed = await asyncio.gather(request.who(), request.get("/v1/root"), request.get("/v1/root/peers"))
    values = {"root": found["root"], "earlier": found["earlier"], "others": found.get("others", ())}
    values["crosses"] = found.get("crosses", False)
    return await request.page("root.html.j2", **values, peers=signed["peers"], crl=signed["crl"])


async def download(request: RequestContext) -> Response:
    """Give the certificate, to anybody: it is public."""
    form = request.request.query_params.get("format", FORMATS[0])
    query = {"format": form if form in FORMATS else FORMATS[0]}
    of = request.request.query_params.get("of", "")
    query |= {"of": of} if SHA256.fullmatch(of) else {}
    return attachment(await request.app_state.api.send(request.credentials, "GET", "/v1/root/download", query=query))


async def ask_reissue(request: RequestContext) -> Response:
    """Say what a new root would break, by name, and ask for the word."""
    await request.require_admin()
    return await _ask_reissue(request, 200, None, of=request.request.query_params.get("of", ""))


async def _ask_reissue(
    request: RequestContext,
    status: int,
    problem: Mapping[str, Any] | None,
    typed: str = "",
    *,
    of: str,
    at_once: bool = False,
) -> Response:
    """`of`: SHA-256 of the root that another one is to follow; empty: the main one."""
    query = {"of": of} if of else {}
    effects, found = await asyncio.gather(request.get("/v1/root/effects", **query), request.get("/v1/root"))
    root = next((each for each in found.get("others", ()) if each["sha256"] == of), found["root"])
    values = {"effects": effects, "root": root, "word": REISSUE, "problem": problem, "typed": typed}
    values |= {"at_once": at_once, "of": of}
    return await request.page("root_reissue.html.j2", status, **values)


async def reissue(request: RequestContext) -> Response:
    """Have the agent make a new root."""
    form = await request.form()
    of = form.get("of")
    try:
        await request.give_password(form)
        body = {"typed": form.get("typed"), "now": bool(form.get("now")), **({"of": of} if of else {})}
        job = await request.ask("POST", "/v1/root/reissue", body)
    except Refused as refused:
        if not request.wants_password(refused) and refused.code != NOT_TYPED:
            raise
        at_once = bool(form.get("now"))
        return await _ask_reissue(request, refused.status, refused.problem, form.get("typed"), of=of, at_once=at_once)
    return request.follow(job["job"])


async def ask_replace(request: RequestContext) -> Response:
    """Ask for the files of another root."""
    await request.require_admin()
    return await request.page("root_replace.html.j2", problem=None, asks_passphrase=False, held="", nothing=False)


async def preview(request: RequestContext) -> Response:
    """Show the root that was sent and what it would break, and ask for the word."""
    form = await request.form()
    fields = {name: form.get(name) for name in ("paste", "passphrase") if form.get(name)}
    files = form.files
    if form.get("held"):
        held = request.app_state.upload_drafts.find(request.session, form.get("held"))
        fields, files = {**held.fields, **fields}, held.files
    if not files and not fields.get("paste"):
        return await request.page(
            "root_replace.html.j2", 422, problem=None, asks_passphrase=False, held="", nothing=True
        )
    body, kind = multipart(fields, files)
    try:
        answer = await request.app_state.api.send(request.credentials, "POST", "/v1/root/preview", body=body, kind=kind)
    except Refused as refused:
        if refused.status not in {409, 413, 422}:
            raise
        asks = refused.code in NEEDS_PASSPHRASE
        fields.pop("passphrase", None)
        word = request.keep_draft(fields, files) if asks else ""
        missing: dict[str, Any] = {"problem": refused.problem, "asks_passphrase": asks, "held": word, "nothing": False}
        return await request.page("root_replace.html.j2", refused.status, **missing)
    word = request.keep_draft(fields, files)
    values: dict[str, Any] = {
        "found": answer.json(),
        "held": word,
        "word": REPLACE,
        "problem": None,
        "typed": "",
        "at_once": False,
    }
    return await request.page("root_confirm.html.j2", **values)


async def replace(request: RequestContext) -> Response:
    """Have the agent take the root that was previewed."""
    form = await request.form()
    upload = request.app_state.upload_drafts.find(request.session, form.get("held"))
    try:
        await request.give_password(form)
        job = await _replace(request, form, dict(upload.fields))
    except Refused as refused:
        if not request.wants_password(refused) and refused.code != NOT_TYPED:
            raise
        body, kind = multipart(upload.fields, upload.files)
        answer = await request.app_state.api.send(request.credentials, "POST", "/v1/root/preview", body=body, kind=kind)
        values = {"found": answer.json(), "held": form.get("held"), "word": REPLACE, "typed": form.get("typed")}
        values["at_once"] = bool(form.get("now"))
        return await request.page("root_confirm.html.j2", refused.status, problem=refused.problem, **values)
    request.app_state.upload_drafts.forget(request.session)
    return request.follow(job)


async def _replace(request: RequestContext, form: Form, fields: dict[str, str]) -> str:
    files = request.app_state.upload_drafts.find(request.session, form.get("held")).files
    body, kind = multipart({**fields, "typed": form.get("typed"), "now": str(bool(form.get("now"))).lower()}, files)
    answer = await request.app_state.api.send(request.credentials, "POST", "/v1/root", body=body, kind=kind)
    return str(answer.json()["job"])
