"""Page of a job of the agent: its steps while they happen, and its result."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Any

from starlette.responses import Response, StreamingResponse

from plugins.webui.errors import AgentSilent
from plugins.webui.request_context import RequestContext

END = "end"
"""Name of the agent's last event."""
FINISHED = "finished"
"""Name of ours, which has the page load what came of it."""
PATIENCE = 1.0
"""Seconds in which the steps so far have to be there."""
RUNNING = "running"
FRAME = {"pass_started", "pass_ended"}
"""Kinds of events that tell a person nothing."""
ROOT = "root"
"""What the actions of jobs that change the root begin with."""


async def show(request: RequestContext) -> Response:
    """Show what has happened so far; without scripts the page loads itself again until the job has ended."""
    job = await request.get(f"/v1/jobs/{request.path('id')}")
    steps = await _so_far(request)
    done = job["state"] != RUNNING
    root = (await request.get("/v1/root"))["root"] if job["action"].startswith(ROOT) and done else None
    query = request.request.query_params
    kept = query.get("kept", "")
    values = {
        "job": job,
        "steps": [step for step in steps if step["kind"] not in FRAME],
        "last": steps[-1]["id"] if steps else 0,
        "in_dialog": request.partial and "page" not in query,
        "kept": kept if kept.isalnum() else "",
        "root": root,
    }
    return await request.page("job.html.j2", **values)


async def steps(request: RequestContext) -> Response:
    """Pass the agent's stream on, each event as a line for the page."""
    stack = AsyncExitStack()
    found = await stack.enter_async_context(_following(request))

    async def lines() -> AsyncIterator[str]:
        with suppress(AgentSilent):  # the page asks again for what is still to come
            async with stack:
                async for event in events(found):
                    yield _line(request, event)

    return StreamingResponse(lines(), media_type="text/event-stream")


async def _so_far(request: RequestContext) -> list[dict[str, Any]]:
    """Return the steps until now: the agent tells them at once, and the further ones as they happen."""
    found: list[dict[str, Any]] = []
    async with _following(request) as parts:
        try:
            async with asyncio.timeout(PATIENCE):
                async for event in events(parts):
                    if event.get("event") == END:
                        break
                    found.append(json.loads(event["data"]))
        except TimeoutError:
            return found
    return found


def _following(request: RequestContext) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
    last = request.request.headers.get("last-event-id") or request.request.query_params.get("after", "")
    headers = {"Last-Event-ID": last} if last.isdecimal() and last.isascii() else {}
    return request.app_state.api.stream(request.credentials, f"/v1/jobs/{request.path('id')}/events", headers)


async def events(parts: AsyncIterator[bytes]) -> AsyncIterator[dict[str, str]]:
    """Yield the fields of each server-sent event (HTML Standard section 9.2.6)."""
    rest = b""
    async for part in parts:
        *blocks, rest = (rest + part).split(b"\n\n")
        for block in blocks:
            found = dict(_field(line) for line in block.decode().split("\n") if line and not line.startswith(":"))
            if found:
                yield found


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.removeprefix(" ")


def _line(request: RequestContext, event: dict[str, str]) -> str:
    if event.get("event") == END:
        return f"event: {FINISHED}\ndata: {FINISHED}\n\n"
    step = json.loads(event["data"])
    if step["kind"] in FRAME:
        return f"id: {step['id']}\n\n"
    html = request.app_state.pages.render(request.texts, "step.html.j2", event=step)
    return f"id: {step['id']}\n" + "".join(f"data: {line}\n" for line in html.splitlines()) + "\n"
