"""What clients cost that only take: connections, handshakes, forms that never end."""

from __future__ import annotations

import select
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest

from support.appliances.webui import Appliance, Pair
from support.waiting import until

PLACES = 4


@pytest.fixture
def small(appliance: Appliance, ecdsa: Pair) -> Appliance:
    """A web interface with few places."""
    appliance.places = PLACES
    appliance.stage(1, ecdsa)
    appliance.switch(1)
    appliance.start()
    return appliance


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as kept:
        yield kept


def connect(box: Appliance) -> socket.socket:
    return socket.create_connection(("127.0.0.1", box.port), 20)


def ended(connection: socket.socket) -> bool:
    """Wait until the other end ends a connection."""
    with suppress(ConnectionResetError):
        while connection.recv(65536):
            pass
    return True


def drop(connection: socket.socket) -> None:
    """End a connection with a reset, as a client does that is killed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_handshake_that_does_not_come_is_not_waited_for(appliance: Appliance, ecdsa: Pair) -> None:
    appliance.patience = 0.5
    appliance.stage(1, ecdsa)
    appliance.switch(1)
    appliance.start()
    with connect(appliance) as silent, connect(appliance) as slow:
        slow.sendall(b"\x16\x03\x01")
        assert ended(silent)
        assert ended(slow)
    assert appliance.presented() == ecdsa.der


def test_those_who_take_every_place_keep_nobody_out(small: Appliance, stack: ExitStack) -> None:
    silent = [stack.enter_context(connect(small)) for _ in range(3 * PLACES)]
    for _ in range(PLACES):
        assert small.ask("/generation")[1] == '{"generation":1}'
    assert all(ended(each) for each in silent[: 2 * PLACES])


def test_a_place_is_free_again_when_its_client_has_gone(small: Appliance, stack: ExitStack) -> None:
    held = stack.enter_context(small.connect())
    for _ in range(3 * PLACES):
        assert small.ask("/generation")[0].status == 200
    held.sendall(b"GET /generation HTTP/1.1\r\nHost: x\r\n\r\n")
    assert held.recv(65536).startswith(b"HTTP/1.1 200 ")


POST = b"POST /login HTTP/1.1\r\nHost: x\r\nOrigin: https://x\r\nContent-Type: application/x-www-form-urlencoded\r\n"


def stops(where: str, sent: bytes = b"") -> Callable[[Appliance], socket.socket]:
    def begin(box: Appliance) -> socket.socket:
        made = connect(box) if where == "plain" else box.connect()
        made.sendall(sent)
        return made

    return begin


STOPS = {
    "before the handshake": stops("plain"),
    "in the handshake": stops("plain", b"\x16\x03\x01\x02\x00\x01\x00"),
    "before the request": stops("tls"),
    "in the headers": stops("tls", b"GET /login HTTP/1.1\r\nHo"),
    "in the form": stops("tls", POST + b"Content-Length: 1000\r\n\r\nuser=admin"),
    "in a chunk": stops("tls", POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nuse"),
    "in the answer": stops("tls", b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n" * 50),
}


@pytest.mark.parametrize("where", STOPS)
@pytest.mark.parametrize("end", [drop, socket.socket.close])
def test_a_client_that_goes_is_no_line_in_the_log(
    app_state: Appliance, where: str, end: Callable[[socket.socket], None]
) -> None:
    before = len(app_state.log)
    for _ in range(3):
        end(STOPS[where](app_state))
    assert app_state.ask("/generation")[0].status == 200
    app_state.reload(1)
    until(lambda: "generation 1 is in service" in app_state.log[before:])
    assert len(app_state.log[before:].splitlines()) == 1


# Forms that never end, and what they hold of memory

MANY = 200
PART = 600_000
"""Octets that come of each form."""
MOST = 60 * 2**20
"""Octets that all of it may hold, in both processes."""


def form(path: str, *, cookie: str = "", length: int = 2_000_000) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        "Sec-Fetch-Site: same-origin",
        "Content-Type: multipart/form-data; boundary=b",
        f"Content-Length: {length}",
        *([f"Cookie: __Host-chainwright={cookie}"] if cookie else []),
    ]
    return "\r\n".join(
        [*lines, "", '--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n']
    ).encode()


def send(connection: ssl.SSLSocket, octets: bytes) -> None:
    with suppress(OSError):  # it may be cut off meanwhile
        connection.sendall(octets)


@pytest.mark.parametrize("logged_in", [True, False])
def test_forms_that_never_end_hold_little_memory_and_nobody_else_up(guarded, stack: ExitStack, logged_in: bool) -> None:
    cookie = guarded.browser.cookies["__Host-chainwright"] if logged_in else ""
    for _ in range(5):
        assert guarded.browser.get("/certificates").status == 200
    connections = [stack.enter_context(guarded.web.connect()) for _ in range(MANY)]
    guarded.memory()
    before = guarded.memory()
    head = form("/upload", cookie=cookie) if logged_in else form("/login", length=8000)
    part = head + b"x" * (PART if logged_in else 7000)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(send, connections, [part] * MANY))
    grown = guarded.memory() - before
    print(f"{MANY} forms hold {grown >> 20} MiB")
    assert grown < MOST
    assert guarded.browser.get("/certificates").status == 200
    assert guarded.web.ask("/generation")[1] == '{"generation":1}'


def test_more_than_the_budget_is_told_to_come_later_and_what_was_held_is_free_again(guarded, stack: ExitStack) -> None:
    cookie = guarded.browser.cookies["__Host-chainwright"]
    connections = [stack.enter_context(guarded.web.connect()) for _ in range(10)]
    for each in connections:
        send(each, form("/upload", cookie=cookie) + b"x" * PART)
    answered, _, _ = select.select(connections, [], [], 20)
    answer = answered[0].recv(65536)
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"retry-after: 5\r\n" in answer
    for each in connections:
        drop(each)
    token = guarded.browser.get("/certificates").token

    def taken() -> bool:
        return guarded.browser.upload("/upload", {"form_token": token}, {"a.pem": b"x" * PART}).status == 422

    until(taken)
