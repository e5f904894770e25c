"""What an upstream by name gets on a real nginx: all that a plain `proxy_pass` would give it, and keep-alive."""

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plugins.reverse_proxy import ReverseProxy
from support.appliances.staged import http
from support.clients.http import ask, connect, proxy, status_of
from support.servers.local import Maker, listening

SITE, NAME = "a.example.com", "db.lan"
RESOLVED = {NAME: ("127.0.0.1",)}


class Backend:
    """A server that keeps connections, and counts them; it answers with what it was asked."""

    def __init__(self, wrap: Callable[[socket.socket], socket.socket] = lambda plain: plain) -> None:
        self.connections = 0
        self.location = ""
        self._wrap = wrap

    def __call__(self, plain: socket.socket) -> None:
        self.connections += 1
        with self._wrap(plain) as connection, connection.makefile("rb") as lines:
            while head := b"".join(iter(lines.readline, b"\r\n")) if lines.peek(1) else b"":
                if length := re.search(rb"(?i)\r\ncontent-length: (\d+)", head):
                    lines.read(int(length[1]))
                moved = f"Location: {self.location}\r\n" if self.location else ""
                status = "302 Found" if moved else "200 OK"
                start = f"HTTP/1.1 {status}\r\n{moved}Content-Length: {len(head)}\r\n\r\n"
                connection.sendall(start.encode() + head)


@pytest.fixture
def backend() -> Iterator[tuple[Backend, int]]:
    server = Backend()
    with listening(server) as running:
        yield server, running.port


def site(port: int, path: str = "", **more) -> dict:
    return {"domains": [SITE], "upstream": f"http://{NAME}:{port}{path}", **more}


def in_a_row(module: ReverseProxy, count: int, body: bytes = b"") -> str:
    """Send requests on one connection without waiting, so that nothing is closed for a pause between them; return all answers."""
    head = f"{'POST' if body else 'GET'} / HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: {len(body)}\r\n".encode()
    ends = [b"\r\n"] * (count - 1) + [b"Connection: close\r\n\r\n"]
    with connect(module, SITE) as stream:
        stream.sendall(b"".join(head + end + body for end in ends))
        return stream.makefile("rb").read().decode()


@pytest.mark.parametrize("websocket", [True, False])
def test_a_connection_to_the_upstream_is_kept_for_the_next_request(box, backend, websocket: bool):
    server, port = backend
    module = proxy(port, site(port, websocket=websocket))
    box.start(box.stage(module, resolved=RESOLVED))
    text = in_a_row(module, 5)
    assert (text.count("HTTP/1.1 200 OK\r\n"), server.connections) == (5, 1)
    assert len(re.findall(r"(?im)^connection: close", text)) == 1, "what nginx says to the client at the end"


@pytest.mark.parametrize(
    ("path", "asked", "told"),
    [
        ("", "/a%20b/?c=1&d=%2F", "/a%20b/?c=1&d=%2F"),
        ("/", "/a%20b/?c=1", "/a%20b/?c=1"),
        ("/app/", "/a%20b?c=1", "/app/a%20b?c=1"),
    ],
)
def test_the_path_is_passed_on_as_by_a_plain_proxy_pass(box, backend, path: str, asked: str, told: str):
    _, port = backend
    module = proxy(port, site(port, path))
    box.start(box.stage(module, resolved=RESOLVED))
    text = ask(module, SITE, asked)
    assert f"GET {told} HTTP/1.1\r\n" in text
    assert f"Host: {SITE}:{module.listen[0].port}\r\n" in text.partition("\r\n\r\n")[2]


@pytest.mark.parametrize("path", ["", "/", "/app/"])
def test_an_address_of_the_upstreams_own_in_a_redirect_becomes_the_sites(box, backend, path: str):
    server, port = backend
    server.location = f"http://{NAME}:{port}{path or '/'}login?next=1"
    module = proxy(port, site(port, path))
    box.start(box.stage(module, resolved=RESOLVED))
    text = ask(module, SITE)
    assert f"\r\nLocation: https://{SITE}:{module.listen[0].port}/login?next=1\r\n" in text


def test_the_second_address_is_taken_where_the_first_refuses(box, backend):
    _, port = backend
    module = proxy(port, site(port))
    box.start(box.stage(module, resolved={NAME: ("127.0.0.1", "127.0.0.9")}))
    assert [status_of(ask(module, SITE)) for _ in range(4)] == [200] * 4


def test_an_https_upstream_is_asked_for_by_its_name_on_a_kept_connection(box, tmp_path: Path):
    names: list[str | None] = []
    context = Maker(tmp_path).make(NAME).context()
    context.sni_callback = lambda _stream, name, _context: names.append(name)
    server = Backend(lambda plain: context.wrap_socket(plain, server_side=True))
    with listening(server) as running:
        module = proxy(running.port, site(running.port) | {"upstream": f"https://{NAME}:{running.port}"})
        box.start(box.stage(module, resolved=RESOLVED))
        assert in_a_row(module, 3).count("HTTP/1.1 200 OK\r\n") == 3
    assert (names, server.connections) == ([NAME], 1)


def test_an_https_upstream_by_address_is_sent_no_name(box, tmp_path: Path):
    names: list[str | None] = []
    context = Maker(tmp_path).make("127.0.0.1").context()
    context.sni_callback = lambda _stream, name, _context: names.append(name)
    with listening(Backend(lambda plain: context.wrap_socket(plain, server_side=True))) as running:
        module = proxy(running.port, {"domains": [SITE], "upstream": f"https://127.0.0.1:{running.port}"})
        box.serve(module)
        assert status_of(ask(module, SITE)) == 200
    assert names == [None]


def test_a_websocket_goes_through_a_block_with_keep_alive(box, upstream: int):
    module = proxy(upstream, site(upstream))
    box.start(box.stage(module, resolved=RESOLVED))
    head = f"GET / HTTP/1.1\r\nHost: {SITE}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with connect(module, SITE) as stream:
        stream.sendall(head.encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += stream.recv(4096)
        assert received.startswith(b"HTTP/1.1 101 ")
        stream.sendall(b"hello")
        assert stream.recv(5) == b"hello"


def test_a_body_is_passed_on_over_a_kept_connection(box, backend):
    server, port = backend
    module = proxy(port, site(port))
    box.start(box.stage(module, resolved=RESOLVED))
    assert in_a_row(module, 3, b"x" * 100_000).count("HTTP/1.1 200 OK\r\n") == 3
    assert server.connections == 1


def test_a_name_without_an_address_is_a_502_and_its_challenges_are_answered(box, upstream: int):
    module = proxy(upstream, site(upstream, redirect=False))
    box.serve(module)
    (box.layout.webroot / "token").write_text("answer")
    with connect(module, SITE) as stream:
        assert http(stream, "/", SITE).startswith("HTTP/1.1 502 ")
    where = module.listen_http[0]
    with socket.create_connection((where.host, where.port), 20) as stream:
        assert http(stream, "/.well-known/acme-challenge/token", SITE).endswith("answer")
