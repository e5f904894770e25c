"""A toy TLS daemon, run as a process: `toyd.py CONFIGURATION PID_FILE CONTROL`, tested by `toyd.py --check CONFIGURATION`.

The configuration has lines `listen PORT [STARTTLS]`, `site NAME PEM` (key and chain; the first is the default), `include PATH`.
It reloads at SIGHUP, unless the control file says `ignore` (it keeps what it has), `die`, or `serve PEM` (that, whatever the
configuration says). Connections echo lines and survive a reload. Like postfix, its own test knows nothing of keys. What it has
loaded is in a file `.loaded` beside the pid file.
"""

from __future__ import annotations

import os
import signal
import sys

if __name__ != "__main__" or sys.argv[1:2] != ["--check"]:  # which is run a thousand times, and needs none of them
    import select
    import socket
    import ssl
    import threading
    from pathlib import Path

LINES = {
    "smtp": ("220 toyd ESMTP", {"EHLO": "250-toyd\r\n250 STARTTLS", "HELO": "250 toyd"}, ("STARTTLS", "220 go on")),
    "imap": ("* OK toyd", {}, ("STARTTLS", "{tag} OK go on")),
    "pop3": ("+OK toyd", {"CAPA": "+OK\r\nSTLS\r\n."}, ("STLS", "+OK go on")),
    "ftp": ("220 toyd", {"FEAT": "211-toyd\r\n AUTH TLS\r\n211 end"}, ("AUTH", "234 go on")),
    "nntp": ("200 toyd", {"CAPABILITIES": "101 toyd\r\nSTARTTLS\r\n."}, ("STARTTLS", "382 go on")),
    "sieve": ('"IMPLEMENTATION" "toyd"\r\n"STARTTLS"\r\nOK "toyd"', {}, ("STARTTLS", 'OK "go on"')),
}
"""Protocols of lines: greeting, answers to what a client may say first, and the command for TLS with its answer."""
XMPP = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='toyd' "
    "version='1.0'><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"
)
MYSQL = (
    *(b"\x0a8.0.0-toyd\0", b"\x01\0\0\0", b"12345678\0", b"\xff\xff\x21\x02\0\xff\xdf\x15", b"\0" * 10),
    *(b"123456789012\0", b"mysql_native_password\0"),
)
"""Greeting of MySQL's protocol 10, which can TLS."""


def begin(plain: socket.socket, protocol: str) -> None:
    """Answer a client in the clear, until it begins its handshake. Raises OSError where it says something else."""
    if protocol in LINES:
        _in_lines(plain, *LINES[protocol])
    elif protocol:
        {"ldap": _ldap, "mysql": _mysql, "postgres": _postgres, "xmpp": _xmpp, "xmpp-server": _xmpp}[protocol](plain)


def _in_lines(plain: socket.socket, greeting: str, answers: dict[str, str], last: tuple[str, str]) -> None:
    plain.sendall(f"{greeting}\r\n".encode())
    while True:
        words = _until(plain, b"\n").decode("ascii", "replace").split()
        said = [word.upper() for word in words[:2]]
        if last[0] in said:
            plain.sendall(f"{last[1].replace('{tag}', words[0])}\r\n".encode())
            return
        plain.sendall(f"{next((answers[each] for each in said if each in answers), '500 what?')}\r\n".encode())


def _xmpp(plain: socket.socket) -> None:
    _until(plain, b"<stream:stream")
    _until(plain, b">")
    plain.sendall(XMPP.encode())
    _until(plain, b"<starttls")
    rest = _until(plain, b">")
    if not rest.endswith(b"/>"):
        _until(plain, b"</starttls>")
    plain.sendall(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")


def _ldap(plain: socket.socket) -> None:
    """Answer an ExtendedRequest (RFC 4511 section 4.14)."""
    request = _exactly(plain, 2)
    request += _exactly(plain, request[1])
    plain.sendall(b"\x30\x0c\x02\x01" + request[4:5] + b"\x78\x07\x0a\x01\x00\x04\x00\x04\x00")


def _mysql(plain: socket.socket) -> None:
    greeting = b"".join(MYSQL)
    plain.sendall(len(greeting).to_bytes(3, "little") + b"\0" + greeting)
    _exactly(plain, int.from_bytes(_exactly(plain, 4)[:3], "little"))


def _postgres(plain: socket.socket) -> None:
    _exactly(plain, 8)
    plain.sendall(b"S")


def _until(plain: socket.socket, mark: bytes) -> bytes:
    """Read to a mark, and not an octet more: what follows belongs to the handshake."""
    found = b""
    while not found.endswith(mark):
        found += _exactly(plain, 1)
        if len(found) > 8192:
            raise ConnectionResetError
    return found


def _exactly(plain: socket.socket, number: int) -> bytes:
    found = b""
    while len(found) < number:
        more = plain.recv(number - len(found))
        if not more:
            raise ConnectionResetError
        found += more
    return found


def parse(path: str | Path) -> tuple[list[tuple[int, str]], list[tuple[str, str]]]:
    """Return the ports, each with its STARTTLS, and the sites of a configuration."""
    ports: list[tuple[int, str]] = []
    sites: list[tuple[str, str]] = []
    with open(path) as file:  # noqa: PTH123 - pathlib takes longer than all that a test of a configuration does
        lines = file.read().splitlines()
    for number, line in enumerate(lines, 1):
        match line.split():
            case [] | ["#", *_]:
                pass
            case ["listen", port, *protocol] if len(protocol) < 2:
                ports.append((int(port), "".join(protocol)))
            case ["site", name, pem]:
                sites.append((name, pem))
            case ["include", pattern]:
                import glob  # takes long as well

                for each in sorted(glob.glob(pattern)):  # noqa: PTH207
                    more = parse(each)
                    ports += more[0]
                    sites += more[1]
            case _:
                sys.exit(f"toyd: error: {path}:{number}: unknown directive {line!r}")
    return ports, sites


class Server:
    """The daemon: its sites, and the sockets that it listens on."""

    def __init__(self, configuration: Path, control: Path, loaded: Path) -> None:
        self.configuration = configuration
        self.loaded = loaded
        self.control = control
        self.sites: dict[str, ssl.SSLContext] = {}
        self.default: ssl.SSLContext | None = None
        self.sockets: dict[int, socket.socket] = {}
        self.protocols: dict[int, str] = {}
        self.load()

    def load(self, instead: str = "") -> None:
        """Read the configuration. `instead`: the file to serve at each site, whatever the configuration says."""
        ports, sites = parse(self.configuration)
        contexts = {}
        for name, pem in sites:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            try:
                context.load_cert_chain(instead or pem)
            except (ssl.SSLError, OSError) as error:
                sys.stderr.write(f"toyd: {pem}: {error}\n")
                continue
            contexts[name] = context
        self.loaded.write_text(f"{self.configuration.resolve()}\n")
        self.sites = contexts
        self.default = next(iter(contexts.values()), None)
        self.protocols = dict(ports)
        for port in self.protocols:
            if port not in self.sockets:
                self.sockets[port] = listening(port)

    def reload(self, *_signal: object) -> None:
        """Do what the control file says, else read the configuration."""
        order, _, rest = (self.control.read_text() if self.control.exists() else "").strip().partition(" ")
        if order == "die":
            os._exit(1)
        if order != "ignore":
            self.load(instead=rest if order == "serve" else "")

    def serve(self) -> None:
        """Take connections until the process ends."""
        while True:
            ready, _, _ = select.select(list(self.sockets.values()), [], [], 0.1)
            for listener in ready:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    continue
                port: int = listener.getsockname()[1]
                protocol = self.protocols.get(port, "")
                threading.Thread(target=self.talk, args=(connection, protocol), daemon=True).start()

    def choose(self, stream: ssl.SSLSocket | ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        """Choose the site that a client asks for."""
        chosen = self.sites.get(name or "", self.default)
        if chosen is not None:
            stream.context = chosen

    def talk(self, connection: socket.socket, protocol: str) -> None:
        """Serve one connection: it echoes."""
        if self.default is None:
            connection.close()
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = self.choose
        connection.settimeout(30)
        try:
            begin(connection, protocol)
            with context.wrap_socket(connection, server_side=True) as stream:
                while line := stream.recv(1000):
                    stream.sendall(line)
        except OSError:
            connection.close()


def listening(port: int) -> socket.socket:
    """Return a socket that listens on the loopback; port 0: on one that is free."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    listener.setblocking(False)
    return listener


def main() -> None:
    """Run as the command line says."""
    if sys.argv[1] == "--check":
        parse(sys.argv[2])
        return
    configuration, pid_file, control = map(Path, sys.argv[1:4])
    server = Server(configuration, control, pid_file.with_suffix(".loaded"))
    signal.signal(signal.SIGHUP, server.reload)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    pid_file.write_text(str(os.getpid()))
    server.serve()


if __name__ == "__main__":
    main()
