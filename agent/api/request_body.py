"""Content of requests: read within limits of size and time, and validated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

from pydantic import ValidationError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from agent.api.access import Access
from agent.api.limits import ApiLimits
from agent.api.route import Input, Route
from agent.errors.api import BadRequest, ContentTooLarge, RequestTimeout, ServiceUnavailable

DRAINED = 4
"""Times the limit: so much is discarded before the connection is closed."""
MOST_FILES = 20
MOST_FIELDS = 20
MOST_HEADERS = 100
BEGIN = 5.0
"""Seconds in which content may come as slowly as it likes."""
LOWEST_RATE = 1024
"""Octets a second, after that."""


class Parser(MultiPartParser):
    """Parser that keeps files in memory, as they come: a private key must not get onto the disk."""

    def __init__(self, headers: Headers, parts: AsyncGenerator[bytes, None], largest: int) -> None:
        super().__init__(headers, parts, max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=largest)
        self.spool_max_size = largest + 1


class ContentBudget:
    """Memory for the content of all requests at a time."""

    def __init__(self, octets: int) -> None:
        self._left = octets

    def take(self, octets: int) -> None:
        """Hold some more. Raises `ServiceUnavailable`."""
        if octets > self._left:
            raise ServiceUnavailable
        self._left -= octets

    def give_back(self, octets: int) -> None:
        """Hold less."""
        self._left += octets


class Content:
    """The content of one request, as it comes. It holds a part of the budget until the request is answered."""

    def __init__(
        self, request: Request, limits: ApiLimits, budget: ContentBudget, *, largest: int | None = None
    ) -> None:
        """`largest`: octets; None: as many as a form with files may have."""
        self._chunks = request.stream()
        self._announced = int(request.headers.get("content-length", 0))  # h11 refuses what is no number
        self._limits = limits
        self._budget = budget
        self.largest = limits.content_octets if largest is None else min(largest, limits.content_octets)
        self._held = 0
        self._broken = False

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """Yield it as it comes. Raises `ContentTooLarge`, `RequestTimeout`, and `BadRequest` when it breaks off."""
        if self._announced > self.largest:
            raise ContentTooLarge(self.largest)
        now = asyncio.get_running_loop().time
        began = now()
        while True:
            until = min(began + self._limits.content_seconds, began + BEGIN + self._held / LOWEST_RATE)
            try:
                async with asyncio.timeout_at(until):
                    part = await anext(self._chunks, None)
            except TimeoutError:
                self._broken = True
                raise RequestTimeout(round(now() - began, 1)) from None
            except ClientDisconnect:
                self._broken = True
                raise BadRequest("it broke off") from None
            if part is None:
                return
            self._hold(len(part))
            yield part

    async def read(self) -> bytes:
        """Return it whole. Raises as `parts` does."""
        return b"".join([part async for part in self.parts()])

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

    def release(self) -> None:
        """Give back what it holds."""
        self._budget.give_back(self._held)
        self._held = 0

    def _hold(self, octets: int) -> None:
        if self._held + octets > self.largest:
            raise ContentTooLarge(self.largest)
        self._budget.take(octets)
        self._held += octets


def largest_of(route: Route, limits: ApiLimits) -> int:
    """Return how many octets the content of a route's requests may have: only forms bring files."""
    if route.form is not None:
        return limits.content_octets
    return limits.anonymous_octets if route.access is Access.PUBLIC else limits.json_octets


async def read_input(request: Request, content: Content, route: Route) -> Input | None:
    """Return what a request holds, as its route wants it. Raises `ApiError`."""
    form, body = route.form, route.body
    if form is not None:
        given = await _form(request, content)
        return _validated(lambda: form.model_validate(given), "content")
    if body is None:
        return None
    found = await content.read()
    return _validated(lambda: body.model_validate_json(found, strict=True), "content")


def check_headers(request: Request, limits: ApiLimits) -> None:
    """Raise `BadRequest` for headers that are too many, too long or ambiguous; h11 sees to those that don't come at once."""
    if (
        len(request.headers.raw) > MOST_HEADERS
        or sum(len(name) + len(value) for name, value in request.headers.raw) > limits.headers_octets
    ):
        raise BadRequest("its headers are too long or too many")
    if {"content-length", "transfer-encoding"} <= set(request.headers.keys()):
        raise BadRequest("it says twice how long it is")


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


async def _form(request: Request, content: Content) -> dict[str, object]:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise BadRequest("it is not multipart/form-data", "Content-Type")
    try:
        form = await Parser(request.headers, content.parts(), content.largest).parse()
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
