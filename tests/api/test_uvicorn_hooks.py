"""Each part of uvicorn's inside that `agent.api.uvicorn_server` relies on: a version that changes one fails here, by name."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import resource
import signal
import socket
import threading
import time
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from agent.api.connection_limit import Party, Places
from agent.api.uvicorn_server import HttpConnection, HttpServer
from support.paths import CHECKOUT
from support.waiting import until

LONG = 20.0
"""Seconds that nothing here takes, also on a busy machine."""
SHUTDOWN = 4
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


LENGTH = 8 * 2**20
LENGTHS = {"/long": LENGTH, "/page": 20_000}
PAUSES = {"/slow": 1, "/never": 3600}


async def application(scope, receive, send):
    """Answer with what the connection's state says; `/slow` takes a second, `/never` has no end, `/long` and `/page` are long."""
    if scope["path"] in PAUSES:
        await asyncio.sleep(PAUSES[scope["path"]])
    content = scope["state"].get("said", "").encode().ljust(LENGTHS.get(scope["path"], 0))
    headers = [(b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class Connection(HttpConnection):
    headers_seconds = LONG

    def state(self, transport):
        return {"said": f"from {transport.get_extra_info('socket').family.name}"}


class Server(HttpServer):
    """Serves until its client has done what it does."""

    def __init__(self, place: Path, client: Callable[[Server], None], connection: type[HttpConnection], keep: int):
        super().__init__(application, connection, keep_alive_seconds=keep, shutdown_seconds=SHUTDOWN)
        self.place = place
        self.happened: list[str] = []
        self.error: BaseException | None = None
        self._client = client
        self._thread = threading.Thread(target=self._call)

    def serve_on(self, listener: socket.socket) -> Server:
        self.run([listener])
        self._thread.join(LONG)
        if self.error:
            raise self.error
        return self

    def _call(self) -> None:
        try:
            self._client(self)
        except BaseException as error:
            self.error = error

    def places(self):
        return {"all": Places(10, 10)}

    def party(self, connection):
        return Party("all", 0)

    def handlers(self):
        return {signal.SIGUSR1: lambda: self.happened.append("SIGUSR1")}

    def started_listening(self, sockets):
        self.happened.append("listening")
        self._thread.start()

    def stopping(self):
        self.happened.append("stopping")

    def finished(self):
        return not self._thread.is_alive()

    def connect(self) -> socket.socket:
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(LONG)
        plain.connect(str(self.place))
        return plain


@pytest.fixture
def serve(tmp_path: Path):
    """Serve to a function that gets the server, in a thread: signals come to the main one."""

    def start(
        client: Callable[[Server], None],
        connection: type[HttpConnection] = Connection,
        *,
        keep: int = 20,
        server: type[Server] = Server,
    ):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "socket"))
            return server(tmp_path / "socket", client, connection, keep).serve_on(listener)

    return start


def answer(connection: socket.socket, request: bytes = GET) -> bytes:
    connection.sendall(request)
    received = b""
    while b"\r\n\r\n" not in received or received.partition(b"\r\n\r\n")[2] == b"":
        octets = connection.recv(4096)
        if not octets:
            break
        received += octets
    return received


def until_dropped(connection: socket.socket) -> float:
    """Return how many seconds it takes until the server ends a connection."""
    began = time.monotonic()
    with suppress(ConnectionResetError):
        while connection.recv(4096):
            pass
    return time.monotonic() - began


def test_it_serves_sockets_that_are_open_and_says_when_it_listens_and_when_it_stops(serve):
    seen = []

    def client(server: Server) -> None:
        with server.connect() as connection:
            seen.append(answer(connection))

    assert serve(client).happened == ["listening", "stopping"]
    assert seen[0].startswith(b"HTTP/1.1 200 OK\r\n")


def test_app_state_of_a_connection_is_the_state_of_its_requests(serve):
    def client(server: Server) -> None:
        with server.connect() as connection:
            assert answer(connection).endswith(b"\r\n\r\nfrom AF_UNIX")
            assert answer(connection).endswith(b"\r\n\r\nfrom AF_UNIX")

    serve(client)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_capture_signals_is_replaced_so_a_signal_ends_it_and_is_not_raised_again(serve, number):
    def client(server: Server) -> None:
        os.kill(os.getpid(), number)
        until(lambda: "stopping" in server.happened)  # it ends although the client goes on

    assert serve(client).happened == ["listening", "stopping"]


def test_further_signals_are_handled_in_the_loop(serve):
    def client(server: Server) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        until(lambda: "SIGUSR1" in server.happened)

    assert serve(client).happened == ["listening", "SIGUSR1", "stopping"]


def test_on_tick_sees_whether_anybody_is_connected(serve):
    seen: dict[str, bool] = {}

    class Watching(Server):
        def finished(self):
            seen["busy" if self.server_state.connections else "idle"] = self.connected
            return super().finished()

    def client(server: Server) -> None:
        server.__class__ = Watching
        until(lambda: "idle" in seen)
        with server.connect():
            until(lambda: "busy" in seen)

    serve(client)
    assert seen == {"idle": False, "busy": True}


def test_send_400_response_is_replaced_for_what_is_no_http(serve):
    class Telling(Connection):
        def malformed(self):
            return "text/x-said", b"no HTTP"

    def client(server: Server) -> None:
        with server.connect() as connection:
            said = answer(connection, b"\0\r\n\r\n")
            assert said.startswith(b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/x-said\r\n")
            assert said.endswith(b"\r\n\r\nno HTTP")
            until_dropped(connection)

    serve(client, Telling)


@pytest.mark.parametrize("octets", [30_000, 100_000])
def test_headers_are_limited_also_where_all_of_them_come_at_once(serve, octets):
    def client(server: Server) -> None:
        with server.connect() as connection:
            said = answer(connection, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * octets + b"\r\n\r\n")
            assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")

    serve(client)


def test_content_may_be_longer_than_headers(serve):
    def client(server: Server) -> None:
        with server.connect() as connection:
            head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"
            assert b"200 OK" in answer(connection, head + b"a" * 200_000)

    serve(client)


class Impatient(Connection):
    headers_seconds = 0.3


@pytest.mark.parametrize("begin", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_conn_tells_that_headers_are_incomplete_and_the_connection_is_dropped(serve, begin):
    def client(server: Server) -> None:
        with server.connect() as connection:
            connection.sendall(begin)
            assert until_dropped(connection) < LONG

    serve(client, Impatient)


def test_headers_of_a_second_request_have_no_more_time_than_those_of_the_first(serve):
    def client(server: Server) -> None:
        with server.connect() as connection:
            assert b"200 OK" in answer(connection)
            connection.sendall(b"GET / HT")
            assert until_dropped(connection) < LONG

    serve(client, Impatient)


def test_the_answer_may_take_longer_than_the_headers(serve):
    def client(server: Server) -> None:
        with server.connect() as connection:
            assert b"200 OK" in answer(connection, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")

    serve(client, Impatient)


def test_on_response_complete_leaves_the_pause_between_two_requests_to_keep_alive(serve):
    def client(server: Server) -> None:
        with server.connect() as connection:
            answer(connection)
            time.sleep(3 * Impatient.headers_seconds)
            assert b"200 OK" in answer(connection)
            assert until_dropped(connection) < LONG

    serve(client, Impatient, keep=2)


def test_the_longest_idle_connection_ends_where_a_new_one_needs_its_place(serve):
    class Single(Server):
        def places(self):
            return {"all": Places(1, 1)}

    def client(server: Server) -> None:
        with server.connect() as first:
            assert b"200 OK" in answer(first)
            with server.connect() as second:
                assert until_dropped(first) < LONG
                assert b"200 OK" in answer(second)

    serve(client, server=Single)


def test_shutdown_of_a_connection_drops_it_where_the_answer_takes_too_long(serve):
    class Closing(Connection):
        closing_seconds = 0.3

    def client(server: Server) -> None:
        with server.connect() as connection:
            connection.sendall(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGTERM)
            assert until_dropped(connection) < SHUTDOWN - 1

    serve(client, Closing)


def post(octets: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % octets


def test_on_response_complete_gives_the_rest_of_a_request_that_was_answered_a_limited_time(serve):
    class Hasty(Connection):
        linger_seconds = 0.5

    def client(server: Server) -> None:
        with server.connect() as connection:
            assert b"200 OK" in answer(connection, post(1000) + b"x")
            assert until_dropped(connection) < LONG
        with server.connect() as connection:  # one that comes to its end is kept
            assert b"200 OK" in answer(connection, post(4) + b"ab")
            assert b"200 OK" in answer(connection, b"cd" + GET)

    serve(client, Hasty, keep=3600)


def test_pause_writing_ends_a_client_that_takes_nothing_of_a_long_answer(serve):
    class Hasty(Connection):
        stalled_seconds = 0.5

    def client(server: Server) -> None:
        with server.connect() as connection:
            connection.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
            until(lambda: server.server_state.connections)
            until(lambda: not server.server_state.connections)
            assert len(b"".join(iter(lambda: connection.recv(65536), b""))) < LENGTH

    serve(client, Hasty, keep=3600)


def test_timeout_keep_alive_handler_ends_a_client_that_does_not_take_the_last_answer(serve):
    class Hasty(Connection):
        flush_seconds = 0.5

    def client(server: Server) -> None:
        with server.connect() as connection:
            buffered = 0
            while not buffered:  # not more than the socket's and some of the server's own
                answered = server.server_state.total_requests
                connection.sendall(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
                until(lambda answered=answered: server.server_state.total_requests > answered)
                buffered = sum(each.transport.get_write_buffer_size() for each in server.server_state.connections)
            until(lambda: not server.server_state.connections)

    serve(client, Hasty, keep=1)


def test_send_400_response_leaves_the_application_nobody_to_answer(serve, caplog):
    def client(server: Server) -> None:
        with server.connect() as connection:
            head = b"POST /slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            assert b"400 Bad Request" in answer(connection, head + b"zz\r\n")
            until_dropped(connection)
        until(lambda: not server.server_state.tasks)

    serve(client)
    assert "Exception in ASGI application" not in caplog.text


def test_without_a_file_descriptor_nothing_spins_and_it_goes_on_when_there_is_one(serve, caplog):
    def client(server: Server) -> None:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        with server.connect() as idle, socket.socket(socket.AF_UNIX) as waiting:
            assert b"200 OK" in answer(idle)
            waiting.settimeout(LONG)
            with socket.socket() as highest:  # the next one has its number, unless a lower one is free
                free = highest.fileno()
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
            try:
                waiting.connect(str(server.place))
                until_dropped(idle)  # so that there is a descriptor for the new one
                assert b"200 OK" in answer(waiting)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)

    serve(client)
    lines = [each for each in caplog.messages if each.startswith("no connection can be accepted")]
    assert lines == ["no connection can be accepted: Too many open files"]


def test_the_version_is_bounded_from_above_and_the_one_installed_fits():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    (wanted,) = [each for each in map(Requirement, project["dependencies"]) if each.name == "uvicorn"]
    assert [each.operator for each in wanted.specifier if each.operator == "<"] == ["<"]
    assert importlib.metadata.version("uvicorn") in wanted.specifier


def test_no_other_file_subclasses_what_uvicorn_keeps_to_itself():
    files = [path for room in ("agent", "plugins") for path in (CHECKOUT / room).rglob("*.py")]
    assert [
        path.name for path in files if "import uvicorn" in path.read_text() or "from uvicorn" in path.read_text()
    ] == ["uvicorn_server.py"]
