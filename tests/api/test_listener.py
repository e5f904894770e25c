"""The listener of a server: what it relies on inside of asyncio, and connections that end while they are set up."""

from __future__ import annotations

import asyncio
import inspect
import socket
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from agent.api.connection_limit import ConnectionLimit, OpenConnection, Party, Places
from agent.api.listener import Listener

PLACES, CLIENTS = 2, 100
EVERYBODY = Party("all", "everybody")


class Echo(asyncio.Protocol):
    """Sends back what it is sent."""

    place: OpenConnection | None = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


def test_what_is_relied_on_of_asyncio_is_there():
    wanted = {"ssl_handshake_timeout", "ssl_shutdown_timeout", "server_side"}
    assert wanted <= set(inspect.signature(SSLProtocol.__init__).parameters)
    assert {"_set_read_buffer_limits", "_set_write_buffer_limits", "max_size"} <= set(dir(SSLProtocol))


def served(clients: int, then: Callable[[list[socket.socket]], Any]) -> tuple[Any, list[str]]:
    """Connect clients before the listener has looked, and return what `then` makes of them, and what the loop complained of."""
    complaints: list[str] = []

    async def run() -> Any:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: complaints.append(str(context)))
        limit = ConnectionLimit({"all": Places(PLACES, PLACES)})
        listener = Listener(limit, lambda _accepted: EVERYBODY, Echo, None, 5.0)
        with ExitStack() as stack:
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=clients))
            made = [
                stack.enter_context(socket.create_connection(listening.getsockname(), timeout=5))
                for _ in range(clients)
            ]
            listener.start([listening], clients)
            found = await asyncio.to_thread(then, made)
            listener.stop()
            return found

    return asyncio.run(run()), complaints


def echoes(clients: list[socket.socket]) -> list[bytes]:
    """Return what each of the last ones, which have a place, is answered."""
    for each in clients[-PLACES:]:
        each.sendall(b"hello")
    return [each.recv(5) for each in clients[-PLACES:]]


def test_connections_that_end_while_they_are_set_up_take_no_other_one_along():
    for _ in range(20):
        assert served(CLIENTS, echoes) == ([b"hello"] * PLACES, [])
