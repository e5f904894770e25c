"""Pages for the upload of a chain: files or text, a preview with findings and modules that would switch, confirmation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from plugins.webui.client import Refused
from plugins.webui.forms import File, Form, multipart
from plugins.webui.request_context import RequestContext

SENT = ("paste", "passphrase", "for", "replace")
"""What the agent's API takes beside files."""
NEEDS_PASSPHRASE = {"upload.passphrase_missing", "upload.passphrase_wrong"}
UNUSED = {"hand.nobody_needs", "hand.uploads_not_allowed"}
"""Refusals that a consent lifts."""


async def show(request: RequestContext) -> Response:
    """Ask for files."""
    await request.require_admin()
    query = request.request.query_params
    given = {"replace": query.get("replace", "")[:64], "for": query.get("for", "")[:253]}
    return await request.page("upload.html.j2", **_values(given))


async def preview(request: RequestContext) -> Response:
    """Show what the agent finds; ask for what it misses."""
    form = await request.form()
    fields, files = _sent(request, form)
    if not files and not fields.get("paste"):
        return await request.page("upload.html.j2", 422, **(_values(fields) | {"nothing": True}))
    body, kind = multipart(fields, files)
    try:
        answer = await request.app_state.api.send(
            request.credentials, "POST", "/v1/uploads/preview", body=body, kind=kind
        )
    except Refused as refused:
        if refused.status not in {409, 413, 422}:
            raise
        return await _not_yet(request, refused, fields, files)
    found = answer.json()
    asks_keep = bool(found["refusal"]) and found["refusal"]["code"] in UNUSED
    word = request.keep_draft(fields, files) if asks_keep or not found["refusal"] else ""
    values = {"found": found, "word": word, "asks_keep": asks_keep, "fields": fields}
    return await request.page("preview.html.j2", **values)


async def _not_yet(
    request: RequestContext, refused: Refused, fields: Mapping[str, str], files: tuple[File, ...]
) -> Response:
    """Ask again. Where only the passphrase is missing, what was chosen is kept for that long."""
    asks_passphrase = refused.code in NEEDS_PASSPHRASE
    kept = {name: value for name, value in fields.items() if name != "passphrase"}
    word = request.keep_draft(kept, files) if asks_passphrase else ""
    values = _values(fields) | {
        "problem": refused.problem,
        "asks_passphrase": asks_passphrase,
        "word": word,
        "file_names": [file.name for file in files],
    }
    return await request.page("upload.html.j2", refused.status, **values)


async def confirm(request: RequestContext) -> Response:
    """Have the agent store what was previewed."""
    form = await request.form()
    upload = request.app_state.upload_drafts.find(request.session, form.get("word"))
    consent = {"keep_unused": "1"} if form.get("keep_unused") == "1" else {}
    body, kind = multipart({**upload.fields, **consent}, upload.files)
    job = (await request.app_state.api.send(request.credentials, "POST", "/v1/uploads", body=body, kind=kind)).json()
    request.app_state.upload_drafts.forget(request.session)
    return request.follow(job["job"])


def _sent(request: RequestContext, form: Form) -> tuple[dict[str, str], tuple[File, ...]]:
    """Return what was sent now, or before and completed now."""
    fields = {name: form.get(name) for name in SENT if form.get(name)}
    word = form.get("word")
    if not word:
        return fields, form.files
    upload = request.app_state.upload_drafts.find(request.session, word)
    return {**upload.fields, **fields}, upload.files


def _values(given: Mapping[str, str]) -> dict[str, Any]:
    return {
        "given": {name: given.get(name, "") for name in ("replace", "for")},
        "problem": None,
        "asks_passphrase": False,
        "word": "",
        "file_names": [],
        "nothing": False,
    }
