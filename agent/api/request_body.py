"""Content of requests: read within limits of size and time, and validated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

from pydantic import ValidationError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from agent.api.limits import ApiLimits
from agent.api.route import Input, Route
from agent.errors.api import BadRequest, ContentTooLarge, RequestTimeout

DRAINED = 4
"""Times the limit: so much is discarded before the connection is closed."""
MOST_FILES = 20
MOST_FIELDS = 20


class Parser(MultiPartParser):
    """Parser that keeps files in memory: a private key must not get onto the disk."""

    def __init__(self, headers: Headers, content: bytes) -> None:
        async def once() -> AsyncGenerator[bytes, None]:
            yield content

        super().__init__(headers, once(), max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=len(content))
        self.spool_max_size = len(content) + 1


class Content:
    """The content of one request, as it comes."""

    def __init__(self, request: Request, limits: ApiLimits, *, anonymous: bool = False) -> None:
        """`anonymous`: from somebody who hasn't logged in."""
        self._chunks = request.stream()
        self._limits = limits
        self._most = limits.anonymous_octets if anonymous else limits.content_octets
        self._broken = False

    async def read(self) -> bytes:
        """Return it whole. Raises `ContentTooLarge`, `RequestTimeout`, and `BadRequest` when it breaks off."""
        found = bytearray()
        try:
            async with asyncio.timeout(self._limits.content_seconds):
                async for chunk in self._chunks:
                    found += chunk
                    if len(found) > self._most:
                        raise ContentTooLarge(self._most)
        except TimeoutError:
            self._broken = True
            raise RequestTimeout(self._limits.content_seconds) from None
        except ClientDisconnect:
            self._broken = True
            raise BadRequest("it broke off") from None
        return bytes(found)

    async def drain(self) -> bool:
        """Discard the rest, since a client that is still sending loses the answer. False: it was too much."""
        left = DRAINED * self._limits.content_octets
        try:
            async with asyncio.timeout(self._limits.content_seconds):
                async for chunk in self._chunks:
                    left -= len(chunk)
                    if left < 0:
                        return False
        except (TimeoutError, ClientDisconnect):
            return False
        return not self._broken


async def read_input(request: Request, content: Content, route: Route) -> Input | None:
    """Return what a request holds, as its route wants it. Raises `ApiError`."""
    form, body = route.form, route.body
    if form is None and body is None:
        return None
    found = await content.read()
    if form is not None:
        given = await _form(request, found)
        return _validated(lambda: form.model_validate(given), "content")
    assert body is not None
    return _validated(lambda: body.model_validate_json(found, strict=True), "content")


def check_headers(request: Request, limits: ApiLimits) -> None:
    """Raise `BadRequest` for headers that are too long; h11 sees to those that don't come at once."""
    if sum(len(name) + len(value) for name, value in request.headers.raw) > limits.headers_octets:
        raise BadRequest("its headers are too long")


def read_query(request: Request, model: type[Input] | None) -> Input | None:
    """Return the query of an address. Raises `BadRequest`."""
    given = request.query_params.multi_items()
    names = [name for name, _ in given]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadRequest("it is there twice", f"query, {twice[:40]}")
    return _validated(lambda: (model or Input).model_validate(dict(given)), "query")


def _validated(read: Callable[[], Input], where: str) -> Input:
    """Return what `read` makes. Raises `BadRequest`, which quotes nothing of what was given."""
    try:
        return read()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ", ".join([where, *(str(each)[:40] for each in first["loc"])])
        raise BadRequest(first["msg"].rstrip("."), place) from None


async def _form(request: Request, content: bytes) -> dict[str, object]:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise BadRequest("it is not multipart/form-data", "Content-Type")
    try:
        form = await Parser(request.headers, content).parse()
    except MultiPartException as error:
        raise BadRequest(error.message.rstrip("."), "content") from None
    except (ValueError, LookupError):
        raise BadRequest("it is not multipart/form-data", "content") from None
    try:
        return await _fields(form.multi_items())
    finally:
        await form.close()


async def _fields(items: Iterable[tuple[str, UploadFile | str]]) -> dict[str, object]:
    fields: dict[str, object] = {}
    files: dict[str, list[tuple[str, bytes]]] = {}
    for name, value in items:
        if isinstance(value, UploadFile):
            content = await value.read()
            if content or value.filename:  # a browser sends an empty part where no file was chosen
                files.setdefault(name, []).append((value.filename or "", content))
        elif name in fields:
            raise BadRequest("it is there twice", f"content, {name[:40]}")
        else:
            fields[name] = value
    return {**fields, **files}


def lower_names(request: Request) -> Mapping[str, str]:
    """Return the headers by name in lower case; of those that come twice the first."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        found.setdefault(name.lower(), value)
    return found
