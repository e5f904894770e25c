"""Who answers HTTP-01 here: an `Answers` on one port, and web servers of other people at it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.contract.context import Http01
from agent.errors.http01 import Http01Error
from agent.sources.acme.http01 import Answers
from support.ports import free_port
from support.servers.local import Handler

THUMBPRINT = "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
PATH = "/.well-known/acme-challenge/"
NAME = "a.example.com"


@dataclass
class Monotonic:
    """A clock for what is remembered."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Looking:
    """`Answers` for one port, with what a test asks it."""

    webroot: Path
    port: int = field(default_factory=free_port)
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = Monotonic()
        options = {"addresses": lambda: ["127.0.0.1"], "hosts": ["127.0.0.1"], "monotonic": self.clock, **self.options}
        self.answers = Answers(Http01(webroot=self.webroot, thumbprint=THUMBPRINT), port=self.port, **options)

    def prepare(self, *names: str) -> tuple[str, ...]:
        return self.answers.prepare(names or [NAME], retry_at=AT)

    def refusal(self, *names: str) -> Http01Error:
        """Prepare, which fails; return why."""
        try:
            self.prepare(*names)
        except Http01Error as error:
            return error
        raise AssertionError("it was content")

    def present(self, token: str = "token", name: str = NAME) -> None:
        self.answers.present(name, token, retry_at=AT)

    def files(self) -> list[str]:
        return sorted(path.name for path in self.webroot.iterdir())


@contextmanager
def looking(webroot: Path, port: int = 0, **options: Any) -> Iterator[Looking]:
    made = Looking(webroot, port or free_port(), options)
    try:
        yield made
    finally:
        made.answers.close()


def request_of(stream: socket.socket) -> list[str]:
    """Return the lines of a request's head."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = stream.recv(4096)
        if not data:
            raise ConnectionResetError
        head += data
    return head.decode().split("\r\n\r\n")[0].split("\r\n")


def path_of(lines: Sequence[str]) -> str:
    return lines[0].split(" ")[1]


def host_of(lines: Sequence[str]) -> str:
    return next(line.partition(": ")[2] for line in lines if line.lower().startswith("host:"))


def web(answer: Callable[[list[str]], str]) -> Handler:
    """Return a handler that answers one request with `answer`, given its lines."""

    def handle(stream: socket.socket) -> None:
        stream.sendall(answer(request_of(stream)).encode())
        with stream.makefile("rb") as rest:
            rest.read()  # until the client is done, so that nothing is cut off

    return handle


def http(status: str, body: str = "", **headers: str) -> str:
    """Return an answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", body])


def key_authorization(path: str) -> str:
    return f"{path.removeprefix(PATH)}.{THUMBPRINT}"


def stateless(lines: list[str]) -> str:
    """Answer as a server does that knows the thumbprint."""
    return http("200 OK", key_authorization(path_of(lines)))


def serving_files_of(webroot: Path) -> Callable[[list[str]], str]:
    """Answer as a server does that serves the webroot."""

    def answer(lines: list[str]) -> str:
        file = webroot / path_of(lines).removeprefix(PATH)
        return http("200 OK", file.read_text()) if file.is_file() else http("404 Not Found", Server="Toy/1")

    return answer


def silent(stream: socket.socket) -> None:
    """Accept, and say nothing until the client is tired of it."""
    with stream.makefile("rb") as incoming:
        incoming.read()


def dripping(stream: socket.socket) -> None:
    """Send one octet after the other, without end."""
    request_of(stream)
    stream.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        stream.sendall(b"x")
        time.sleep(0.02)
