"""Small real servers in threads, and certificates for them that owe nothing to the agent."""

import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from support.cas import certificates as toy_ca

Handler = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Material:
    """A key with its certificates, as files and as fingerprints."""

    chain_file: Path
    leaf_file: Path
    intermediates_file: Path
    key_file: Path
    fingerprints: tuple[str, ...]

    def context(self, *, leaf_only: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.leaf_file if leaf_only else self.chain_file, self.key_file)
        return context


class Maker:
    """Makes chains with one intermediate, as files below one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = count(1)
        self._intermediate = toy_ca.root().authority("Toy Intermediate")

    def make(self, name: str = "gw.example.test", **options) -> Material:
        """Return a new chain; `options` are those of `toy_ca.issue`."""
        leaf = self._intermediate.leaf(name, **options)
        certificates = [leaf.certificate, self._intermediate.certificate]
        place = self._directory / str(next(self._numbers))
        place.mkdir()
        prints = tuple(hashlib.sha256(each.public_bytes(Encoding.DER)).hexdigest() for each in certificates)
        return Material(
            chain_file=_write(place / "chain.pem", toy_ca.pem(*certificates)),
            leaf_file=_write(place / "leaf.pem", toy_ca.pem(*certificates[:1])),
            intermediates_file=_write(place / "intermediates.pem", toy_ca.pem(*certificates[1:])),
            key_file=_write(place / "key.pem", toy_ca.key_pem(leaf.key)),
            fingerprints=prints,
        )


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@dataclass
class Running:
    """A server in a thread."""

    port: int
    connections: int = 0


@contextmanager
def listening(
    handler: Handler, *, host: str = "127.0.0.1", port: int = 0, path: Path | None = None
) -> Iterator[Running]:
    """Give each connection to `handler` in a thread of its own; what a client does to a connection is no error."""
    with socket.socket(socket.AF_UNIX if path else socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.bind(str(path) if path else (host, port))
        listener.listen(128)
        running = Running(0 if path else listener.getsockname()[1])
        threads: list[threading.Thread] = []

        def serve(connection: socket.socket) -> None:
            with closing(connection), suppress(OSError):
                connection.settimeout(10)
                handler(connection)

        def accept() -> None:
            with suppress(OSError):  # ends when the listener is shut down
                while True:
                    connection, _ = listener.accept()
                    running.connections += 1
                    threads.append(threading.Thread(target=serve, args=[connection]))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield running
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join(10)
            for thread in threads:
                thread.join(10)


def securing(choose: Callable[[], ssl.SSLContext], then: Handler = lambda stream: None) -> Handler:
    """Return a handler that makes the handshake with the context that `choose` returns now."""

    def handle(connection: socket.socket) -> None:
        with choose().wrap_socket(connection, server_side=True) as stream:
            then(stream)

    return handle


def saying(*script: str, then: Handler = lambda connection: None) -> Handler:
    """Return a handler for a conversation: ``S: text`` is sent, ``C: text`` must come, and `then` goes on."""

    def handle(connection: socket.socket) -> None:
        with connection.makefile("rb", buffering=0) as lines:
            for step in script:
                who, text = step[:3], step[3:].encode() + b"\r\n"
                if who == "S: ":
                    connection.sendall(text)
                elif lines.readline() != text:
                    return
        then(connection)

    return handle


def exchanging(*script: tuple[str, bytes], then: Handler = lambda connection: None) -> Handler:
    """Return a handler for a conversation in octets: ``("S", octets)`` is sent, ``("C", octets)`` must come, `then` goes on."""

    def handle(connection: socket.socket) -> None:
        with connection.makefile("rb", buffering=0) as stream:
            for who, octets in script:
                if who == "S":
                    connection.sendall(octets)
                elif stream.read(len(octets)) != octets:
                    return
        then(connection)

    return handle
