"""Asking the local API over its socket, as anybody on the machine can."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BOUNDARY = "chainwright-test"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str:
        """Code of the problem that it is."""
        assert self.headers["content-type"] == "application/problem+json", self
        assert self.json["status"] == self.status
        return self.json["code"]


class Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("agent", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def form(files: Iterable[tuple[str, bytes]] = (), **fields: str) -> tuple[bytes, str]:
    """Return content and type of a form as a browser sends it; `for_name` stands for the field `for`."""
    parts = [(name.removesuffix("_name"), "", value.encode()) for name, value in fields.items()]
    parts += [("files", f'; filename="{name}"', content) for name, content in files]
    content = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"
        for name, more, value in parts
    )
    return content + f"--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"


@dataclass
class Client:
    """Asks with the same headers each time."""

    path: Path
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 40

    def ask(self, method: str, target: str, body: Any = None, **headers: str) -> Reply:
        """Send one request; `body` is JSON unless it is octets."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if content is not None and "Content-Type" not in headers:
            headers["Content-Type"] = "application/json"
        connection = Connection(self.path, self.seconds)
        try:
            connection.request(method, target, content, {**self.headers, **headers})
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, target: str, **headers: str) -> Reply:
        return self.ask("GET", target, **headers)

    def post(self, target: str, body: Any = None, **headers: str) -> Reply:
        return self.ask("POST", target, body if body is not None else {}, **headers)

    def submit(self, target: str, *files: tuple[str, bytes], **fields: str) -> Reply:
        """Post a form."""
        content, kind = form(files, **fields)
        return self.ask("POST", target, content, **{"Content-Type": kind})

    def delete(self, target: str, **headers: str) -> Reply:
        return self.ask("DELETE", target, **headers)

    def bearing(self, text: str, address: str = "192.0.2.7") -> Client:
        """Return a client with a session, on behalf of a browser; or a program with a token."""
        headers = {"Authorization": f"Bearer {text}"}
        if not text.startswith("cwt_"):
            headers["Chainwright-Client"] = address
        return Client(self.path, headers, self.seconds)

    @property
    def of_browser(self) -> Client:
        """Return a client that has not logged in, on behalf of a browser."""
        return Client(self.path, {"Chainwright-Client": "192.0.2.7"}, self.seconds)
