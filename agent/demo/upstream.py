"""What stands behind the demo's reverse proxy and its login page: a tiny server that says who was asked for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from agent.demo.modules import UPSTREAM

LARGEST_FORM = 16 * 1024
PASSWORD = "demo"  # noqa: S105 - it opens nothing


class Handler(BaseHTTPRequestHandler):
    """Answers every GET with one line, and a login form as an appliance's authorization would."""

    protocol_version = "HTTP/1.1"
    server_version = "chainwright-demo"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """Answer."""
        host = self.headers.get("Host", "nobody")
        scheme = self.headers.get("X-Forwarded-Proto", "http")
        body = f"This is {host}, asked for over {scheme} and answered by the demo.\n".encode("ascii", "replace")
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=us-ascii")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Send a client that knows the password to the page that says so."""
        length = self.headers.get("Content-Length", "")
        form = self.rfile.read(min(int(length), LARGEST_FORM)) if length.isdecimal() else b""
        known = parse_qs(form.decode("ascii", "replace")).get("password") == [PASSWORD]
        self.send_response(303)
        self.send_header("Location", "/done" if known else "/failed")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(ports: Iterable[int]) -> Iterator[list[int]]:
    """Answer on these ports of `UPSTREAM` meanwhile. Gives those that are taken by somebody else."""
    taken: list[int] = []
    with contextlib.ExitStack() as stack:
        for port in ports:
            try:
                server = stack.enter_context(ThreadingHTTPServer((UPSTREAM, port), Handler))
            except OSError:
                taken.append(port)
                continue
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        yield taken
