"""HTTP to others: spoken in three places, bounded in size, time and redirections, and to addresses that were looked at."""

from __future__ import annotations

import ast
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.system.destinations import on_the_internet
from agent.system.http_exchange import AnswerTooLarge, HTTPException, exchange, http_get, request_head
from agent.system.http_fetch import (
    Bounds,
    HttpFailed,
    NotAllowedError,
    ProxyRefusedError,
    TooManyRedirectionsError,
    fetch,
    http_post,
)
from support.paths import CHECKOUT

# Who speaks HTTP

LIBRARIES = {"http.client", "urllib.request", "requests", "urllib3", "aiohttp", "httpx", "acme.client"}
SPEAKERS = {
    "agent/system/http_exchange.py": "the bounds",
    "agent/system/http_fetch.py": "the bounds; of urllib.request, the proxies of the environment",
    "agent/sources/acme/network.py": "the acme library's network, each request of which goes by `transport`",
    "agent/sources/acme/transport.py": "the bounds of a CA's answers",
    "agent/sources/acme/timed_connections.py": "the deadline of a CA's answers",
    "agent/sources/acme/trust.py": "whom a CA's server is trusted by",
    "agent/sources/acme/unreachable.py": "names what the library raises",
    "agent/sources/acme/client.py": "asks by `network`",
    "agent/sources/acme/response.py": "reads answers",
    "agent/sources/acme/account.py": "reads answers",
    "plugins/nginx/confirm.py": "asks nginx over a UNIX socket of the agent's own; a script that imports nothing",
}
"""Files that import a library of HTTP, and why."""


def speakers() -> set[str]:
    paths = [path for top in ("agent", "plugins", "chainwright") for path in (CHECKOUT / top).rglob("*.py")]
    return {str(path.relative_to(CHECKOUT)) for path in paths if imported(path) & LIBRARIES}


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, and those above them; not the exceptions of `http.client` alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {alias.name for alias in node.names}
            if names <= {"HTTPException", "BadStatusLine"}:
                continue
            found |= {node.module, *(f"{node.module}.{name}" for name in names)}
    return found | {name.split(".")[0] for name in found if name.split(".")[0] in LIBRARIES}


def test_nothing_else_speaks_http_to_others() -> None:
    assert speakers() == set(SPEAKERS)


# Where connections may go


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
        *("100.64.0.1", "100.127.255.255", "169.254.169.254", "192.0.2.1", "198.18.0.1", "198.51.100.7"),
        *("203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.0.0.1"),
        *("::", "::1", "fe80::1", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "2001:db8::1", "100::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::127.0.0.1"),
        *("64:ff9b::10.0.0.1", "64:ff9b:1::8.8.8.8", "2002:7f00:1::1", "2002:a00:1::1", "2001:0:7f00:1::1"),
    ],
)
def test_what_is_not_of_the_internet(address: str) -> None:
    assert not on_the_internet(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::1.1.1.1"]
)
def test_what_is_of_the_internet(address: str) -> None:
    assert on_the_internet(ipaddress.ip_address(address))


# A server that does what it likes

Answer = Callable[[socket.socket, str], None]


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """Serve connections one after the other: `answer` gets the connection and the request's target."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _peer = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    head = connection.recv(65536).decode("latin-1")
                    if head:
                        answer(connection, head.split(" ")[1])
                except OSError:
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(20)
        assert not thread.is_alive()


def says(*parts: bytes) -> Answer:
    def answer(connection: socket.socket, _target: str) -> None:
        for part in parts:
            connection.sendall(part)

    return answer


def endless(first: bytes, again: bytes, pause: float = 0.0) -> Answer:
    """Answer with one piece, and then another again and again until the client has enough."""

    def answer(connection: socket.socket, _target: str) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(again)
            if pause:
                connection.settimeout(pause)
                try:
                    if not connection.recv(1):
                        return
                except TimeoutError:
                    pass

    return answer


OK = b"HTTP/1.1 200 OK\r\n"


def bounds(seconds: float = 20.0, largest: int = 1000, **more: object) -> Bounds:
    return Bounds(time.monotonic() + seconds, largest, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer",
    [
        endless(OK + b"\r\n", b"x" * 65536),
        endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"8\r\n01234567\r\n"),
        says(OK + b"Content-Length: 1001\r\n\r\n", b"x" * 1001),
    ],
    ids=["no length", "chunks", "a length"],
)
def test_a_body_that_is_too_long_is_not_read_to_its_end(answer: Answer) -> None:
    with server(answer) as url, pytest.raises(AnswerTooLarge):
        fetch(url, bounds())


@pytest.mark.parametrize(
    "answer",
    [
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
        endless(OK + b"X-Slow: ", b"x", 0.02),
        endless(OK + b"\r\n", b"x", 0.02),
        endless(OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x", 0.02),
    ],
    ids=["interim answers", "a header", "a body", "a chunk"],
)
def test_a_server_that_drips_has_the_time_that_one_has_who_hangs(answer: Answer) -> None:
    with server(answer) as url, pytest.raises(TimeoutError):
        fetch(url, bounds(0.4, 100_000))


def test_headers_without_end_are_refused() -> None:
    with server(endless(OK, b"X: y\r\n")) as url, pytest.raises(HTTPException):
        fetch(url, bounds())


def hops(number: int) -> Answer:
    def answer(connection: socket.socket, target: str) -> None:
        hop = int(target.strip("/") or 0)
        if hop < number:
            connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: /{hop + 1}\r\nContent-Length: 0\r\n\r\n".encode())
        else:
            connection.sendall(OK + b"Content-Length: 2\r\n\r\nok")

    return answer


def test_no_redirection_is_followed_where_none_is_allowed() -> None:
    with server(hops(1)) as url, pytest.raises(TooManyRedirectionsError, match=r"^it redirects$"):
        fetch(url, replace(bounds(), redirections=0))


def test_five_redirections_are_followed_and_six_are_not() -> None:
    with server(hops(5)) as url:
        assert fetch(url, bounds()).body == b"ok"
    with server(hops(6)) as url, pytest.raises(TooManyRedirectionsError):
        fetch(url, bounds())


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "//["])
def test_a_redirection_leads_to_http_or_nowhere(target: str) -> None:
    answer = says(f"HTTP/1.1 301 Moved\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())
    with server(answer) as url, pytest.raises(ValueError, match=r"HTTP URL|IPv6"):
        fetch(url, bounds())


def test_a_caller_says_which_schemes_are_followed() -> None:
    answer = says(b"HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n")
    with server(answer) as url, pytest.raises(ValueError, match="not an HTTP URL"):
        fetch(url, bounds(schemes=("http",)))


# Addresses


def reached(asked: list[str]) -> Answer:
    def answer(connection: socket.socket, target: str) -> None:
        asked.append(target)
        connection.sendall(OK + b"Content-Length: 6\r\n\r\nsecret")

    return answer


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "127.1", "[::ffff:127.0.0.1]"])
def test_no_spelling_of_a_private_address_is_connected_to(host: str) -> None:
    asked: list[str] = []
    with server(reached(asked)) as url:
        port = url.rpartition(":")[2]
        with pytest.raises(NotAllowedError):
            fetch(f"http://{host}:{port}/", bounds(allowed=on_the_internet))
    assert asked == []


def test_a_redirection_to_an_address_that_is_not_allowed_is_not_followed() -> None:
    asked: list[str] = []
    with server(reached(asked)) as inside:
        outside = f"HTTP/1.1 302 Found\r\nLocation: {inside}/secret\r\nContent-Length: 0\r\n\r\n".encode()
        ports = iter([True, False])  # the first connection may be made, the one after it may not
        with server(says(outside)) as url, pytest.raises(NotAllowedError):
            fetch(url, bounds(allowed=lambda _address: next(ports)))
    assert asked == []


def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A resolver that says one thing first and another later (DNS rebinding) is asked once."""
    said = []
    known = socket.getaddrinfo

    def rebinding(host: str, port: int, *arguments: object, **options: object) -> object:
        said.append(host)
        return known("192.0.2.1" if len(said) == 1 else "127.0.0.1", port, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    looked_at: list[str] = []

    def allowed(address: object) -> bool:
        looked_at.append(str(address))
        return False

    with pytest.raises(NotAllowedError):
        fetch("http://rebound.example:81/", bounds(allowed=allowed))
    assert (said, looked_at) == (["rebound.example"], ["192.0.2.1"])


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: let_go.wait(20) and [])
    with pytest.raises(TimeoutError):
        fetch("http://slow.example/", bounds(0.2))
    let_go.set()


# Proxies


def test_a_server_of_the_internet_redirects_nobody_to_what_is_not_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    with server(reached(asked)) as inside:
        moved = f"HTTP/1.1 302 Found\r\nLocation: {inside}/secret\r\nContent-Length: 0\r\n\r\n".encode()
        with server(says(moved)) as proxy:  # it answers for a server of the Internet
            monkeypatch.setenv("http_proxy", proxy)
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            with pytest.raises(NotAllowedError):
                fetch("http://1.1.1.1/", bounds())
            assert asked == []
            assert fetch(proxy, bounds()).body == b"secret", "one inside may, as nobody else has chosen the address"


def test_a_private_host_is_not_asked_for_through_a_proxy_either(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    with server(reached(asked)) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        for host in ("127.0.0.1", "10.0.0.1", "localhost"):
            with pytest.raises(NotAllowedError):
                fetch(f"http://{host}/", bounds(allowed=on_the_internet))
        assert asked == []
        assert fetch("http://1.1.1.1/x?y", bounds(allowed=on_the_internet)).body == b"secret"
        assert asked == ["http://1.1.1.1/x?y"]
        assert fetch("http://127.0.0.1:1/", bounds(use_proxies=True)).body == b"secret"


def test_a_proxy_is_told_its_password_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[str] = []

    def answer(connection: socket.socket, target: str) -> None:
        heads.append(target)
        connection.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")

    with server(answer) as proxy:
        monkeypatch.setenv("https_proxy", proxy.replace("http://", "http://user:pass@"))
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(ProxyRefusedError, match="the proxy answers with HTTP status 407"):
            fetch("https://crl.example/", bounds())
    assert heads == ["crl.example:443"]


# Over a connection that is there


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "/ä", ""])
def test_a_target_that_would_break_the_request_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="can't be asked for"):
        request_head("GET", target, "localhost")


def test_a_header_that_would_break_the_request_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        request_head("GET", "/", "localhost", {"X": "y\r\nZ: z"})


def test_a_probe_reads_the_beginning_of_a_long_answer() -> None:
    with server(endless(OK + b"\r\n", b"x" * 65536)) as url:
        place = url.rpartition("/")[2].split(":")
        with socket.create_connection((place[0], int(place[1])), 20) as stream:
            answer = http_get(stream, "/", time.monotonic() + 20)
    assert (answer.status, len(answer.body)) == (200, 4096)


def test_a_body_that_ends_early_is_no_answer() -> None:
    with server(says(OK + b"Content-Length: 20\r\n\r\nshort")) as url:
        place = url.rpartition("/")[2].split(":")
        with socket.create_connection((place[0], int(place[1])), 20) as stream, pytest.raises(HTTPException):
            exchange(stream, request_head("GET", "/", "localhost"), time.monotonic() + 20, 1000)


# POST


def posted(asked: list[bytes], status: bytes = b"201 Created") -> Answer:
    def answer(connection: socket.socket, target: str) -> None:
        asked.append(target.encode())
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nLocation: /elsewhere\r\nContent-Length: 2\r\n\r\nok")

    return answer


def test_a_post_sends_its_content_and_returns_whatever_is_answered() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    sent: list[bytes] = []

    def serve() -> None:
        connection, _peer = listening.accept()
        with connection:
            data = b""
            while not data.endswith(b"{}"):
                data += connection.recv(65536)
            sent.append(data)
            connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")

    thread = threading.Thread(target=serve)
    thread.start()
    with listening:
        answer = http_post(f"http://127.0.0.1:{listening.getsockname()[1]}/update", b"{}", headers={"X-Api-Key": "k"})
        thread.join(20)
    assert (answer.status, answer.body) == (401, b"no")
    head, _, body = sent[0].partition(b"\r\n\r\n")
    assert (head.splitlines()[0], body) == (b"POST /update HTTP/1.1", b"{}")
    assert {b"X-Api-Key: k", b"Content-Length: 2"} <= set(head.splitlines())


@pytest.mark.parametrize(
    ("url", "why"),
    [("http://127.0.0.1:1/", "connection refused"), ("ftp://127.0.0.1/", "its URL can't be used")],
)
def test_a_post_that_gets_no_answer_says_why(url: str, why: str) -> None:
    with pytest.raises(HttpFailed, match=why):
        http_post(url, b"")


def test_a_post_follows_no_redirection() -> None:
    asked: list[bytes] = []
    with server(posted(asked, b"307 Elsewhere")) as url, pytest.raises(HttpFailed, match=r"^it redirects$"):
        http_post(url, b"")
    assert asked == [b"/"]


def test_a_post_to_a_server_that_hangs_ends(tmp_path: Path) -> None:
    with (
        server(endless(OK, b"X: y\r\n", 0.05)) as url,
        pytest.raises(HttpFailed, match=r"^no complete answer in time$"),
    ):
        http_post(url, b"", timeout=0.3)
    with pytest.raises(HttpFailed, match=r"no such file"):
        http_post("https://127.0.0.1/", b"", trust=tmp_path / "roots.pem")
