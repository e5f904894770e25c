"""The agent's API with answers that a test chooses, on a real socket, and a browser that has no scripts."""

from __future__ import annotations

import http.client
import json
import re
import socketserver
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html import unescape
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from agent.api.status import Row, StatusPage, StatusView
from agent.errors import Problem
from agent.report import ChainRow, EndpointRow, ModuleRow, ModuleState, NeedRow, Status, UseRow
from agent.report.details import RootDetails
from agent.report.links import Link
from agent.report.rows import plain
from support.appliances.webui import Appliance

NOW = datetime.now(UTC).replace(microsecond=0)
SESSION = "cws_" + "s" * 43
WHO = {"user": "admin", "role": "admin", "must_change": False, "ends_at": None}
ROOT = RootDetails(
    subject="gw Root CA",
    sha256="ab" * 32,
    not_before=NOW - timedelta(days=1),
    not_after=NOW + timedelta(days=3650),
    certificates=(
        Link(
            "gw Root CA",
            "gw Root CA",
            "0a1b",
            NOW - timedelta(days=1),
            NOW + timedelta(days=3650),
            "ab" * 32,
            "cd" * 20,
        ),
    ),
    created_at=NOW - timedelta(days=1),
    retired_at=None,
    signs=2,
)
LIVE = UseRow(
    "mail", "default", "acme", "live", (EndpointRow("127.0.0.1:465", "mail.example.com", "12" * 32, True, NOW),)
)
CHAIN = ChainRow(
    id="12" * 32,
    names=("mail.example.com",),
    source="acme",
    issuer="R11",
    serial="41a",
    not_before=NOW - timedelta(days=29),
    not_after=NOW + timedelta(days=61, minutes=5),
    key_type="ecdsa-p256",
    sha256="12" * 32,
    status=Status.VALID,
    problem=None,
    next_action_at=NOW + timedelta(days=31),
    used_by=(LIVE,),
)
MODULES = (
    ModuleRow("mail", "Mail", True, ModuleState.OK, None),
    ModuleRow("webui", "Web interface", True, ModuleState.OK, None),
)


def chain(**changes: Any) -> ChainRow:
    return replace(CHAIN, **changes)


def status(*chains: ChainRow | NeedRow, **changes: Any) -> dict[str, Any]:
    """Return what the agent answers when these are its chains, or needs without one."""
    rows = tuple(Row(None, each, None) if isinstance(each, NeedRow) else Row(each, None, None) for each in chains)
    page = StatusPage(
        now=NOW,
        next_at=NOW + timedelta(minutes=10),
        owner="root",
        degraded=False,
        summary={"chains": len(rows), "attention": 0},
        attention=(),
        root=ROOT,
        modules=MODULES,
        states=(),
        findings=(),
        view=StatusView.CHAINS,
        rows=rows,
        total=len(rows),
        offset=0,
        limit=50,
    )
    made: dict[str, Any] = plain(replace(page, **changes))
    return made


def problem(code: str, title: str, **more: Any) -> dict[str, Any]:
    return {"type": f"urn:chainwright:problem:{code}", **Problem(code, "", **more).to_json(), "title": title}


@dataclass
class FakeApi:
    """Answers what it was told to, and keeps what it was asked."""

    socket: Path
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    """``METHOD path`` -> status and JSON, or bytes with their own head."""
    asked: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    ahead: timedelta = field(default_factory=lambda: NOW - datetime.now(UTC))
    """What its clock is ahead of this machine's: it begins at `NOW`, however long ago this was loaded."""

    def says(self, what: str, content: Any, code: int = 200) -> None:
        self.answers[what] = (code, content)

    def calls(self, what: str) -> list[tuple[Mapping[str, str], bytes]]:
        """Return headers and content of each call whose line begins like this."""
        return [(headers, body) for line, headers, body in self.asked if line.startswith(what)]

    def changes(self) -> list[str]:
        return [line for line, _, _ in self.asked if not line.startswith("GET")]


@contextmanager
def fake_api(socket: Path) -> Iterator[FakeApi]:
    """Serve the API until the end."""
    made = FakeApi(socket)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            made.asked.append((f"{self.command} {self.path}", dict(self.headers), body))
            path = self.path.partition("?")[0]
            exact = made.answers.get(f"{self.command} {self.path}")
            code, content = (
                exact or made.answers.get(f"{self.command} {path}") or (404, problem("api.nothing_here", "x"))
            )
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            if isinstance(content, bytes) and content.startswith(b"HTTP/"):
                self.wfile.write(content)
                self.close_connection = True
                return
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(time.time() + made.ahead.total_seconds())

        def address_string(self) -> str:
            return "local"

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    with Server(str(socket), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
            socket.unlink(missing_ok=True)


@dataclass
class Answer:
    """What a browser gets."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def words(self) -> str:
        """What a person reads: without tags, in one line."""
        body = self.text.partition("<main")[2] or self.text
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body)))

    @property
    def token(self) -> str:
        found = re.search(r'name="form_token" value="([^"]*)"', self.text)
        assert found
        return found[1]

    def row(self, name: str) -> str:
        """Return the rows of one table that a name stands in first, as HTML."""
        bodies = re.findall(r"<tbody.*?</tbody>", self.text, re.DOTALL)
        return next(each for each in bodies if name in each.replace("<wbr>", ""))


@dataclass
class Browser:
    """Keeps cookies, sends forms as a browser does, and follows what it is sent to."""

    appliance: Appliance
    cookies: dict[str, str] = field(default_factory=dict)
    language: str = ""

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, None, headers)

    def post(self, path: str, fields: Mapping[str, str], *, follow: bool = True, **headers: str) -> Answer:
        body = urlencode(fields).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, body, {**kind, "Sec_Fetch_Site": "same-origin", **headers}, follow=follow)

    def upload(self, path: str, fields: Mapping[str, str], files: Mapping[str, bytes]) -> Answer:
        parts = [f'form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
        parts += [f'form-data; name="files"; filename="{name}"\r\n\r\n'.encode() + data for name, data in files.items()]
        body = b"".join(b"--b\r\nContent-Disposition: " + part + b"\r\n" for part in parts) + b"--b--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=b", "Sec_Fetch_Site": "same-origin"}
        return self.ask("POST", path, body, headers)

    def ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], *, follow: bool = True
    ) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer, text = self.appliance.ask(path, method, body, sent)
        for line in answer.headers.get_all("set-cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        if follow and answer.status == 303:
            return self.get(str(answer.headers["location"]))
        return Answer(answer.status, answer.headers, text)
