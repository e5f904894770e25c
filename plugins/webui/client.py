"""Client of the agent's API on its UNIX socket: one connection a request, asynchronous, so that a stream holds no thread."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import h11

from plugins.webui.agent_clock import AgentClock
from plugins.webui.errors import AgentSilent

SOCKET = "api.sock"
"""In the agent's run/."""
STARTING = "api.starting"
"""Beside it, while the agent's process starts."""
LONGEST_WAIT = 45.0
"""Seconds for a whole answer: the agent gives itself 30."""
LONGEST_START = 20.0
"""Seconds for the agent's process to start."""
SILENCE = 2.5
"""Seconds without an octet after which the agent hangs: while it works on an answer it says so each second."""
STREAM_SILENCE = 45.0
"""The same within a stream of steps, where it says so each 15 seconds."""
AT_ONCE = 64
"""Questions under way: the agent's places and our file descriptors are limited."""
STREAMS, STREAMS_OF_ONE = 64, 8
"""Streams under way, of all sessions and of one."""
PIECE = 64 * 1024
"""Octets that are written at once."""
LARGEST_ANSWER = 8 * 2**20
"""Octets."""
JSON = "application/json"

Query = Mapping[str, str | int]
Body = Sequence[bytes]
"""Content of a request, in pieces that are sent one after another."""


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

    def __init__(self, socket: Path, clock: AgentClock) -> None:
        """`clock`: is set by each answer."""
        self._socket = socket
        self._clock = clock
        self._places = asyncio.Semaphore(AT_ONCE)
        self._streams: Counter[str] = Counter()

    async def ask(
        self, who: Credentials, method: str, path: str, *, query: Query | None = None, content: object = None
    ) -> Any:
        """Return the JSON that the agent answers. Raises `Refused` for a problem, `AgentSilent` without an answer."""
        body = () if content is None else (json.dumps(content).encode(),)
        return (await self.send(who, method, path, query=query, body=body, kind=JSON if body else "")).json()

    async def send(
        self, who: Credentials, method: str, path: str, *, query: Query | None = None, body: Body = (), kind: str = ""
    ) -> AgentResponse:
        """Return the agent's answer with any content. Raises as `ask` does."""
        request = _Request(who, method, f"{path}?{urlencode(query)}" if query else path, body, kind)
        try:
            async with self._place(), asyncio.timeout(LONGEST_WAIT), self._sent(request, SILENCE) as answering:
                answer = await answering.whole()
        except (OSError, TimeoutError, h11.RemoteProtocolError) as error:
            raise AgentSilent(_reason(error)) from error
        self._clock.hear(answer.headers)
        return _good(answer)

    @contextlib.asynccontextmanager
    async def stream(
        self, who: Credentials, path: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give the octets of an answer as they come, for as long as they come. Raises as `ask` does."""
        request = _Request(who, "GET", path, more=headers or {})
        try:
            with self._followed(who.token):
                async with self._sent(request, SILENCE) as answering:
                    async with asyncio.timeout(LONGEST_WAIT):
                        await answering.begin()
                        if answering.status != 200:
                            _good(await answering.whole())
                    answering.silence = STREAM_SILENCE
                    yield answering.parts()
        except (OSError, TimeoutError, h11.RemoteProtocolError) as error:
            raise AgentSilent(_reason(error)) from error

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(SILENCE):
                await self._places.acquire()
        except TimeoutError:
            raise AgentSilent("too many questions wait for it") from None
        try:
            yield
        finally:
            self._places.release()

    @contextlib.contextmanager
    def _followed(self, token: str) -> Iterator[None]:
        """Count a stream of a session."""
        if self._streams.total() >= STREAMS or self._streams[token] >= STREAMS_OF_ONE:
            raise AgentSilent("too many follow its steps")
        self._streams[token] += 1
        try:
            yield
        finally:
            self._streams[token] -= 1
            self._streams += Counter()  # without those that are zero

    @contextlib.asynccontextmanager
    async def _sent(self, request: _Request, silence: float) -> AsyncIterator[_Answering]:
        async with asyncio.timeout(silence):
            reader, writer = await asyncio.open_unix_connection(str(self._socket))
        try:
            machine = h11.Connection(h11.CLIENT)
            for octets in request.octets(machine):
                writer.write(octets)
                async with asyncio.timeout(silence):
                    await writer.drain()
            yield _Answering(machine, reader, silence, self._starting)
        finally:
            writer.close()

    def _starting(self) -> bool:
        """Return whether the agent's process is starting, which takes long on a slow machine."""
        try:
            return (
                abs(time.clock_gettime(time.CLOCK_BOOTTIME) - self._socket.with_name(STARTING).stat().st_mtime)
                < LONGEST_START
            )
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class _Request:
    """Question to the agent."""

    who: Credentials
    method: str
    target: str
    body: Body = field(default=(), repr=False)
    kind: str = ""
    more: Mapping[str, str] = field(default_factory=dict)

    def octets(self, machine: h11.Connection) -> Iterator[bytes]:
        """Yield what is sent, in pieces of a limited size."""
        yield machine.send(h11.Request(method=self.method, target=self.target, headers=self._headers())) or b""
        for each in self.body:
            for start in range(0, len(each), PIECE):
                yield machine.send(h11.Data(each[start : start + PIECE])) or b""
        yield machine.send(h11.EndOfMessage()) or b""

    def _headers(self) -> list[tuple[str, str]]:
        headers = [("Host", "localhost"), ("Connection", "close"), *self.more.items()]
        headers.append(("Content-Length", str(sum(map(len, self.body)))))
        if self.kind:
            headers.append(("Content-Type", self.kind))
        if self.who.token:
            headers.append(("Authorization", f"Bearer {self.who.token}"))
        # Always: an agent that runs as the same user would take us for its administrator's own command otherwise.
        headers.append(("Chainwright-Client", self.who.address or "127.0.0.1"))
        headers.append(("Chainwright-Heartbeat", "1"))
        return headers


class _Answering:
    """Answer that is being read."""

    def __init__(
        self, machine: h11.Connection, reader: asyncio.StreamReader, silence: float, starting: Callable[[], bool]
    ) -> None:
        self._machine = machine
        self._reader = reader
        self._starting = starting
        self.silence = silence
        """Seconds that the agent may say nothing, unless it is starting."""
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
            self._machine.receive_data(await self._read())
        return event

    async def _read(self) -> bytes:
        while True:
            try:
                async with asyncio.timeout(self.silence):
                    return await self._reader.read(PIECE)
            except TimeoutError:
                if not self._starting():
                    raise


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
