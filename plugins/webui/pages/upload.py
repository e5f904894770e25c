"""Uploading a chain: files or text, then what the agent finds in them and who would switch, then the confirmation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from plugins.webui.client import Refused
from plugins.webui.forms import File, Form, multipart
from plugins.webui.request_context import Visit

SENT = ("paste", "passphrase", "for", "replace")
"""What the agent's API takes beside files."""
NEEDS_PASSPHRASE = {"upload.passphrase_missing", "upload.passphrase_wrong"}
UNUSED = "hand.nobody_needs"
"""The refusal that a consent lifts."""


async def show(visit: Visit) -> Response:
    """Ask for files."""
    await visit.require_admin()
    query = visit.request.query_params
    given = {"replace": query.get("replace", "")[:64], "for": query.get("for", "")[:253]}
    return await visit.page("upload.html.j2", **_values(given))


async def preview(visit: Visit) -> Response:
    """Show what the agent finds; ask for what it misses."""
    form = await visit.form()
    fields, files = _sent(visit, form)
    if not files and not fields.get("paste"):
        return await visit.page("upload.html.j2", 422, **(_values(fields) | {"nothing": True}))
    body, kind = multipart(fields, files)
    try:
        answer = await visit.house.api.send(visit.credentials, "POST", "/v1/uploads/preview", body=body, kind=kind)
    except Refused as refused:
        if refused.status not in {409, 413, 422}:
            raise
        return await _not_yet(visit, refused, fields, files)
    found = answer.json()
    asks_keep = bool(found["refusal"]) and found["refusal"]["code"] == UNUSED
    word = visit.house.pending.keep(visit.session, fields, files) if asks_keep or not found["refusal"] else ""
    values = {"found": found, "word": word, "asks_keep": asks_keep, "fields": fields}
    return await visit.page("preview.html.j2", **values)


async def _not_yet(visit: Visit, refused: Refused, fields: Mapping[str, str], files: tuple[File, ...]) -> Response:
    """Ask again. Where only the passphrase is missing, what was chosen is kept for that long."""
    asks_passphrase = refused.code in NEEDS_PASSPHRASE
    kept = {name: value for name, value in fields.items() if name != "passphrase"}
    word = visit.house.pending.keep(visit.session, kept, files) if asks_passphrase else ""
    values = _values(fields) | {
        "problem": refused.problem,
        "asks_passphrase": asks_passphrase,
        "word": word,
        "file_names": [file.name for file in files],
    }
    return await visit.page("upload.html.j2", refused.status, **values)


async def confirm(visit: Visit) -> Response:
    """Have the agent store what was previewed."""
    form = await visit.form()
    upload = visit.house.pending.find(visit.session, form.get("word"))
    consent = {"keep_unused": "1"} if form.get("keep_unused") == "1" else {}
    body, kind = multipart({**upload.fields, **consent}, upload.files)
    job = (await visit.house.api.send(visit.credentials, "POST", "/v1/uploads", body=body, kind=kind)).json()
    visit.house.pending.forget(visit.session)
    return visit.follow(job["job"])


def _sent(visit: Visit, form: Form) -> tuple[dict[str, str], tuple[File, ...]]:
    """Return what was sent now, or before and completed now."""
    fields = {name: form.get(name) for name in SENT if form.get(name)}
    word = form.get("word")
    if not word:
        return fields, form.files
    upload = visit.house.pending.find(visit.session, word)
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
