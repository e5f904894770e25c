"""A DNS server that gives dynamic updates the answer that a test chooses, over TCP."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.message
import dns.rcode
import dns.tsig

from support.servers.dns_program import AGENT

Answer = Callable[[bytes], bytes | None]
"""Returns what is sent to a message; None: nothing, and the connection stays open."""
KEY = dns.tsig.Key(AGENT.name, AGENT.secret, AGENT.algorithm)


class UpdateServer(socketserver.ThreadingTCPServer):
    """A server on loopback; `asked` are the messages that have come."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: str, port: int, answer: Answer) -> None:
        self.answer, self.asked, self.closing = answer, list[bytes](), threading.Event()
        super().__init__((address, port), _Connection)


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        sock, server = self.request, self.server
        assert isinstance(sock, socket.socket)
        assert isinstance(server, UpdateServer)
        (length,) = struct.unpack("!H", sock.recv(2, socket.MSG_WAITALL))
        wire = sock.recv(length, socket.MSG_WAITALL)
        server.asked.append(wire)
        answer = server.answer(wire)
        if answer is None:
            server.closing.wait(60)
        else:
            sock.sendall(struct.pack("!H", len(answer)) + answer)


@contextmanager
def update_server(answer: Answer, address: str = "127.0.0.4", port: int = 0) -> Iterator[UpdateServer]:
    """Run one until the end."""
    with UpdateServer(address, port, answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()


def silence(_wire: bytes) -> None:
    """Say nothing."""


def signed(rcode: str = "NOERROR", *, tsig_error: str = "NOERROR") -> Answer:
    """Answer with a response code, signed with the agent's key."""

    def answer(wire: bytes) -> bytes:
        query = dns.message.from_wire(wire, keyring=KEY)
        reply = dns.message.make_response(query, tsig_error=dns.rcode.from_text(tsig_error))
        reply.set_rcode(dns.rcode.from_text(rcode))
        return reply.to_wire()

    return answer


def unsigned(wire: bytes) -> bytes:
    """Say yes without a signature."""
    query = dns.message.from_wire(wire, keyring=KEY)
    reply = dns.message.make_response(query)
    reply.keyring = reply.tsig = None
    return reply.to_wire()
