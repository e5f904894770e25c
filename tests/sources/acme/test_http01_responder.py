"""The agent's own listener for HTTP-01 challenges."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.sources.acme.bounded_server import ServerLimits, listen
from agent.sources.acme.responder import LARGEST_REQUEST, Responder, answer_to
from support.fuzz import fuzzed
from support.ports import free_port
from support.waiting import until

THUMBPRINT = "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
LOCAL = ("127.0.0.1",)
PATH = "/.well-known/acme-challenge/"


@contextmanager
def answering(hosts=LOCAL, port: int = 0, **options) -> Iterator[int]:
    port = port or free_port()
    responder = Responder.at(THUMBPRINT, port, hosts, **options)
    try:
        yield port
    finally:
        responder.close()


def connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, port), timeout=20)


def everything(stream: socket.socket) -> bytes:
    """Return what comes until the other side is done."""
    with stream, stream.makefile("rb") as answer:
        return answer.read()


def ask(port: int, request: str, host: str = "127.0.0.1") -> str:
    stream = connect(port, host)
    stream.sendall(request.encode())
    return everything(stream).decode()


def get(token: str, method: str = "GET") -> str:
    return f"{method} {PATH}{token} HTTP/1.1\r\nHost: a.example.com\r\n\r\n"


def status(answer: str | bytes) -> int:
    text = answer if isinstance(answer, str) else answer.decode()
    return int(text.split(" ")[1])


# What it says


def test_any_token_is_answered_with_the_thumbprint():
    with answering() as port:
        head, _, body = ask(port, get("any-Token_1")).partition("\r\n\r\n")
    assert head.splitlines()[0] == "HTTP/1.1 200 OK"
    assert f"Content-Length: {len(body)}" in head
    assert body == f"any-Token_1.{THUMBPRINT}"


def test_head_has_no_body():
    with answering() as port:
        answer = ask(port, get("token", "HEAD"))
    assert status(answer) == 200
    assert answer.endswith("\r\n\r\n")
    assert f"Content-Length: {len(f'token.{THUMBPRINT}')}\r\n" in answer


@pytest.mark.parametrize(
    "target",
    [
        f"{PATH}token?x=1",
        f"http://a.example.com{PATH}token",
        f"http://[2001:db8::1]:80{PATH}token",
    ],
)
def test_a_target_may_be_written_in_other_ways(target):
    assert answer_to(f"GET {target} HTTP/1.0\r\n\r\n".encode(), THUMBPRINT).endswith(f"\r\ntoken.{THUMBPRINT}".encode())


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("GET / HTTP/1.1", 404),
        (f"GET {PATH} HTTP/1.1", 404),
        (f"GET {PATH}a/b HTTP/1.1", 404),
        (f"GET {PATH}../../etc/passwd HTTP/1.1", 404),
        (f"GET {PATH}a%41 HTTP/1.1", 404),
        (f"GET {PATH}{'a' * 128} HTTP/1.1", 200),
        (f"GET {PATH}{'a' * 129} HTTP/1.1", 404),
        (f"GET /x{PATH}token HTTP/1.1", 404),
        (f"POST {PATH}token HTTP/1.1", 405),
        ("OPTIONS * HTTP/1.1", 405),
        (f"GET {PATH}token", 400),
        (f"GET {PATH}token HTTP/2", 400),
        (f"get {PATH}token HTTP/1.1", 400),
        ("\x16\x03\x01\x02", 400),
        ("", 400),
    ],
)
def test_everything_else_is_refused(request_line, expected):
    answer = answer_to(f"{request_line}\r\nHost: x\r\n\r\n".encode(), THUMBPRINT)
    assert status(answer) == expected
    assert b"Connection: close\r\n" in answer
    assert (THUMBPRINT.encode() in answer) is (expected == 200)


@given(st.binary(max_size=300))
@example(f"GET {PATH}token HTTP/1.1\r\n\r\n".encode())
@fuzzed(200, 100_000)
def test_whatever_is_asked_the_answer_is_http_and_names_no_more_than_was_asked(request_bytes):
    head, _, body = answer_to(request_bytes, THUMBPRINT).partition(b"\r\n\r\n")
    assert re.fullmatch(
        rb"HTTP/1\.1 (200 OK|400 Bad Request|404 Not Found|405 Method Not Allowed)", head.split(b"\r\n")[0]
    )
    token = body.removesuffix(b"." + THUMBPRINT.encode())
    assert (token != body and token in request_bytes) or status(head) != 200


# Where it listens


def test_one_listener_answers_over_both_families():
    with answering(("::", "0.0.0.0")) as port:
        assert [status(ask(port, get("token"), host)) for host in ("127.0.0.1", "::1")] == [200, 200]


def test_a_machine_without_ipv6_is_served_over_ipv4_alone():
    nowhere = "2001:db8::1"  # an address that this machine does not have
    with answering((nowhere, "127.0.0.1")) as port:
        assert status(ask(port, get("token"))) == 200


def test_the_port_of_somebody_else_is_not_taken():
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listen(port)


def test_the_port_of_somebody_who_shares_it_with_his_own_kind_is_not_taken():
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as somebody:
        port = somebody.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listen(port, LOCAL)


def test_nobody_else_gets_the_port_meanwhile_and_at_once_afterwards():
    with answering() as port, pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", port))
    socket.create_server(("127.0.0.1", port)).close()


def test_a_second_agent_listens_beside_the_first_and_stays_when_that_ends():
    port = free_port()
    first = Responder.at(THUMBPRINT, port, LOCAL)
    try:
        with pytest.raises(OSError, match="in use"):
            listen(port, LOCAL)
        with answering(port=port, beside=True):
            first.close()
            assert [status(ask(port, get("token"))) for _ in range(20)] == [200] * 20
    finally:
        first.close()


# Who asks


def test_many_ask_at_the_same_time():
    with answering() as port:
        streams = [connect(port) for _ in range(100)]
        for number, stream in enumerate(streams):
            stream.sendall(get(f"t{number}").encode())
        bodies = [everything(stream).rpartition(b"\r\n")[2] for stream in streams]
    assert bodies == [f"t{number}.{THUMBPRINT}".encode() for number in range(100)]


def test_a_request_may_come_in_pieces_and_slow_clients_hold_up_nobody():
    with answering() as port:
        slow = connect(port)
        for piece in get("slow")[:-2]:
            slow.sendall(piece.encode())
            assert status(ask(port, get("quick"))) == 200
        slow.sendall(b"\r\n")
        assert status(everything(slow)) == 200


def test_a_client_that_takes_too_long_is_dropped():
    with answering(limits=ServerLimits(patience=0.1)) as port:
        assert everything(connect(port)) == b""


def test_the_oldest_client_makes_room_when_there_are_too_many():
    with answering(limits=ServerLimits(clients=2)) as port:
        first, second, third = (connect(port) for _ in range(3))
        with second, third:
            assert everything(first) == b""
            for stream in (second, third):
                stream.sendall(get("token").encode())
                assert status(everything(stream)) == 200


def test_a_request_without_an_end_is_refused():
    with answering() as port:
        stream = connect(port)
        stream.sendall(b"GET / HTTP/1.1\r\n" + b"x" * LARGEST_REQUEST)
        assert status(everything(stream)) == 404


def test_a_client_that_breaks_off_hurts_nobody():
    with answering() as port:
        for _ in range(5):
            stream = connect(port)
            stream.sendall(get("token")[:10].encode())
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # a reset
            stream.close()
        assert status(ask(port, get("token"))) == 200


OUT_OF_DESCRIPTORS = """
import os, resource, sys
from agent.sources.acme.responder import Responder
port, room = map(int, sys.argv[1:])
responder = Responder.at("thumbprint", port, ("127.0.0.1",))
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.dup(0))
except OSError:
    pass
for _ in range(room):
    os.close(taken.pop())
print("ready", flush=True)
sys.stdin.readline()
os.close(taken.pop())
sys.stdin.read()
responder.close()
"""


@contextmanager
def out_of_descriptors(room: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Let a process answer that can open so many files; a line to it makes room for one more."""
    port = free_port()
    argv = [sys.executable, "-c", OUT_OF_DESCRIPTORS, str(port), str(room)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            assert child.stdout.readline() == b"ready\n"
            yield port, child
        finally:
            _out, said = child.communicate(timeout=20)
    assert (child.returncode, said) == (0, b"")


def test_a_process_without_descriptors_left_drops_the_oldest_client():
    with out_of_descriptors(room=5) as (port, _child), ExitStack() as idle:
        for _ in range(20):
            idle.enter_context(connect(port))
        assert status(ask(port, get("token"))) == 200


def test_a_process_without_descriptors_left_answers_when_there_is_room_again():
    with out_of_descriptors(room=0) as (port, child), connect(port) as waiting:
        waiting.sendall(get("token").encode())
        child.stdin.write(b"\n")
        child.stdin.flush()
        assert status(everything(waiting)) == 200


# How it ends


def test_who_has_connected_is_still_answered_when_it_ends():
    port = free_port()
    responder = Responder.at(THUMBPRINT, port, LOCAL, limits=ServerLimits(grace=20))
    half = connect(port)
    half.sendall(get("token")[:10].encode())
    assert status(ask(port, get("token"))) == 200  # so the other one has been let in
    ending = threading.Thread(target=responder.close)
    ending.start()
    until(lambda: not accepts(port), what="nobody else is let in")
    half.sendall(get("token")[10:].encode())
    assert status(everything(half)) == 200
    ending.join(20)
    assert not ending.is_alive()


def test_who_says_nothing_does_not_keep_it():
    with answering(limits=ServerLimits(grace=0.1)) as port:
        idle = connect(port)
    assert everything(idle) == b""


def test_nothing_is_left_open():
    before = open_files()
    with answering() as port:
        idle = connect(port)
        ask(port, get("token"))
    idle.close()
    assert open_files() == before
    assert "http-01" not in [thread.name for thread in threading.enumerate()]


def accepts(port: int) -> bool:
    try:
        connect(port).close()
    except ConnectionError:
        return False
    return True


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
