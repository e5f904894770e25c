"""Client of the agent's API on its UNIX socket: one connection a request, asynchronous, so that a stream holds no thread."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import h11

from plugins.webui.errors import AgentSilent

SOCKET = "api.sock"
"""In the agent's run/."""
LONGEST_WAIT = 45.0
"""Seconds for a whole answer: the agent gives itself 30."""
LARGEST_ANSWER = 8 * 2**20
"""Octets."""
JSON = "application/json"

Query = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Session on whose behalf the agent is asked."""

    token: str = field(default="", repr=False)
    """Of the session; empty: without a login."""
    address: str = ""
    """Where the browser is."""


@dataclass(frozen=True, slots=True)
class AgentResponse:
    """Answer of the agent."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """Return the content."""
        return json.loads(self.body) if self.body else None


class Refused(Exception):
    """Problem (RFC 9457) that the agent answered with: it is shown as it is."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("code", status)))
        self.status = status
        self.problem = problem

    @property
    def code(self) -> str:
        """The problem's stable code."""
        return str(self.problem.get("code", ""))


class Api:
    """Client that asks the agent."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def ask(
        self, who: Credentials, method: str, path: str, *, query: Query | None = None, content: object = None
    ) -> Any:
        """Return the JSON that the agent answers. Raises `Refused` for a problem, `AgentSilent` without an answer."""
        body = b"" if content is None else json.dumps(content).encode()
        return (await self.send(who, method, path, query=query, body=body, kind=JSON if body else "")).json()

    async def send(
        self, who: Credentials, method: str, path: str, *, query: Query | None = None, body: bytes = b"", kind: str = ""
    ) -> AgentResponse:
        """Return the agent's answer with any content. Raises as `ask` does."""
        try:
            async with asyncio.timeout(LONGEST_WAIT), self._sent(who, method, path, query, body, kind) as answering:
                answer = await answering.whole()
        except (OSError, TimeoutError, h11.RemoteProtocolError) as error:
            raise AgentSilent(_reason(error)) from error
        return _good(answer)

    @contextlib.asynccontextmanager
    async def stream(
        self, who: Credentials, path: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give the octets of an answer as they come, for as long as they come. Raises as `ask` does, at the beginning."""
        try:
            async with self._sent(who, "GET", path, None, b"", "", headers) as answering:
                async with asyncio.timeout(LONGEST_WAIT):
                    await answering.begin()
                    if answering.status != 200:
                        _good(await answering.whole())
                yield answering.parts()
        except (OSError, TimeoutError, h11.RemoteProtocolError) as error:
            raise AgentSilent(_reason(error)) from error

    @contextlib.asynccontextmanager
    async def _sent(
        self,
        who: Credentials,
        method: str,
        path: str,
        query: Query | None,
        body: bytes,
        kind: str,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[_Answering]:
        reader, writer = await asyncio.open_unix_connection(str(self._socket))
        try:
            target = f"{path}?{urlencode(query)}" if query else path
            machine = h11.Connection(h11.CLIENT)
            request = h11.Request(method=method, target=target, headers=_headers(who, body, kind, headers or {}))
            writer.write(machine.send(request) or b"")
            writer.write(machine.send(h11.Data(body)) or b"")
            writer.write(machine.send(h11.EndOfMessage()) or b"")
            await writer.drain()
            yield _Answering(machine, reader)
        finally:
            writer.close()


def _headers(who: Credentials, body: bytes, kind: str, more: Mapping[str, str]) -> list[tuple[str, str]]:
    headers = [("Host", "localhost"), ("Connection", "close"), ("Content-Length", str(len(body))), *more.items()]
    if kind:
        headers.append(("Content-Type", kind))
    if who.token:
        headers.append(("Authorization", f"Bearer {who.token}"))
    # Always: an agent that runs as the same user would take us for its administrator's own command otherwise.
    headers.append(("Chainwright-Client", who.address or "127.0.0.1"))
    return headers


class _Answering:
    """Answer that is being read."""

    def __init__(self, machine: h11.Connection, reader: asyncio.StreamReader) -> None:
        self._machine = machine
        self._reader = reader
        self.status = 0
        self._headers: dict[str, str] = {}

    async def begin(self) -> None:
        while not self.status:
            event = await self._next()
            if isinstance(event, h11.Response):
                self.status = event.status_code
                self._headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}

    async def parts(self) -> AsyncIterator[bytes]:
        while not isinstance(event := await self._next(), h11.EndOfMessage | h11.ConnectionClosed):
            if isinstance(event, h11.Data):
                yield bytes(event.data)

    async def whole(self) -> AgentResponse:
        await self.begin()
        body = bytearray()
        async for part in self.parts():
            body += part
            if len(body) > LARGEST_ANSWER:
                raise h11.RemoteProtocolError("the answer is too long")
        return AgentResponse(self.status, self._headers, bytes(body))

    async def _next(self) -> object:
        while (event := self._machine.next_event()) is h11.NEED_DATA:
            self._machine.receive_data(await self._reader.read(65536))
        return event


def _good(answer: AgentResponse) -> AgentResponse:
    if answer.status < 400:
        return answer
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        raise AgentSilent(f"it answered with status {answer.status}")
    raise Refused(answer.status, problem)


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "its socket is not there"
    if isinstance(error, TimeoutError):
        return "its answer did not come in time"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower().rstrip(".")
