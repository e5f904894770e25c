"""A toy that serves SSTP as accel-ppp 1.14 does, as far as chains are concerned.

Called as ``toy_accel_pppd.py [--old] --control FILE -p PID_FILE -c CONFIGURATION [-d]``. It looks once in a while whether
SIGUSR1 has told it to read its configuration again, says in its log what it can't use, and keeps the old chain then; but the
hash of the leaf that sessions are bound to is the new one's already, because it's taken before the key is tried. Of PPP
the toy acknowledges whatever is asked for; the message that binds a session to the leaf it takes at any time, by its SHA-256.

--old: as up to 1.13, only the leaf of ssl-pemfile is sent, with what ssl-ca-file has; and the key is tried first.
--control: a file that may say ``deaf`` (SIGUSR1 is ignored), ``dead`` (SSTP is, behind the handshake), ``mute`` (no frame is
answered), ``refuse`` (every key is refused).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import socket
import ssl
import struct
import sys
import threading
import time
from pathlib import Path

POLL = 0.2
ACK, NAK, CONNECTED, ABORT, DISCONNECT, DISCONNECT_ACK = 2, 3, 4, 5, 6, 7


def sections(path: Path, found: dict[str, dict[str, str]] | None = None, inside: str = "") -> dict[str, dict[str, str]]:
    """Read the configuration; of two sections, or lines, with one name the first counts."""
    found = {} if found is None else found
    counts = True
    for line in filter(None, map(str.strip, path.read_text().splitlines())):
        if line.startswith("$include"):
            sections(Path(line.split()[1]), found, inside)
        elif line.startswith("["):
            inside = line.strip("[]")
            counts = inside not in found
            found.setdefault(inside, {})
        elif not line.startswith("#") and counts:
            name, _, value = line.partition("=")
            found[inside].setdefault(name, value)
    return found


class Toy:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.context: ssl.SSLContext | None = None
        self.hash = b""
        self.told = False

    def read(self) -> dict[str, str]:
        """Read the configuration; what can't be used is only said."""
        sstp = sections(self.options.configuration)["sstp"]
        pem, key = sstp["ssl-pemfile"], sstp["ssl-keyfile"]
        try:
            der = ssl.PEM_cert_to_DER_cert(first_certificate(pem))
            if not self.options.old:
                self.hash = hashlib.sha256(der).digest()
            if self.is_told_to("refuse"):
                raise ValueError("key values mismatch")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._chain(pem), key)
            context.load_verify_locations(sstp["ssl-ca-file"])
        except (OSError, ValueError) as error:
            print(f"error: sstp: ssl-keyfile error: {error}", file=sys.stderr, flush=True)
            return sstp
        self.context, self.hash = context, hashlib.sha256(der).digest()
        return sstp

    def _chain(self, pem: str) -> str:
        if not self.options.old:
            return pem
        leaf = self.options.pid_file.with_name("leaf.pem")
        leaf.write_text(first_certificate(pem))
        return str(leaf)

    def is_told_to(self, word: str) -> bool:
        try:
            return word in self.options.control.read_text().split()
        except OSError:
            return False

    def serve(self) -> None:
        sstp = self.read()
        listener = socket.create_server((sstp.get("bind", "0.0.0.0"), int(sstp["port"])))
        signal.signal(signal.SIGUSR1, lambda *_: setattr(self, "told", True))
        self.options.pid_file.write_text(str(os.getpid()))
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()
        while True:
            time.sleep(POLL)
            if self.told:
                self.told = False
                if not self.is_told_to("deaf"):
                    self.read()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._handle, args=[connection], daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        try:
            with connection, self.context.wrap_socket(connection, server_side=True) as stream:
                self._talk(stream)
        except OSError:
            return

    def _talk(self, stream: ssl.SSLSocket) -> None:
        buffer = b""
        while b"\r\n\r\n" not in buffer:
            buffer += stream.recv(4096) or end()
        if self.is_told_to("dead"):
            return
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n")
        buffer = buffer.partition(b"\r\n\r\n")[2]
        while True:
            while len(buffer) < 4 or len(buffer) < struct.unpack(">H", buffer[2:4])[0]:
                buffer += stream.recv(4096) or end()
            (length,) = struct.unpack(">H", buffer[2:4])
            message, buffer = buffer[:length], buffer[length:]
            if message[1] & 1:
                stream.sendall(self._answer(*struct.unpack(">H", message[4:6]), message))
            elif not self.is_told_to("mute"):
                stream.sendall(message[:8] + bytes([2]) + message[9:])  # what was asked for is acknowledged

    def _answer(self, kind: int, message: bytes) -> bytes:
        if kind == 1:
            return control(ACK if message[12:14] == b"\0\1" else NAK)
        if kind == CONNECTED:
            return b"" if message[8:40] == self.hash else control(ABORT)
        return control(DISCONNECT_ACK) if kind == DISCONNECT else control(ABORT)


def control(kind: int) -> bytes:
    return struct.pack(">BBHHH", 0x10, 1, 8, kind, 0)


def end() -> bytes:
    raise ConnectionResetError


def first_certificate(path: str) -> str:
    text = Path(path).read_text()
    mark = "-----END CERTIFICATE-----\n"
    return text[: text.index(mark) + len(mark)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--old", action="store_true")
    parser.add_argument("-d", action="store_true")
    parser.add_argument("--control", type=Path)
    parser.add_argument("-p", dest="pid_file", type=Path)
    parser.add_argument("-c", dest="configuration", type=Path)
    options = parser.parse_args()
    if options.d and os.fork():
        os._exit(0)
    Toy(options).serve()


if __name__ == "__main__":
    main()
