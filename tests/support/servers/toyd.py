"""A toy TLS daemon, run as a process: `toyd.py CONFIGURATION PID_FILE CONTROL`, tested by `toyd.py --check CONFIGURATION`.

The configuration has lines `listen PORT`, `site NAME PEM` (key and chain; the first is the default), `include PATH`.
It reloads at SIGHUP, unless the control file says `ignore` (it keeps what it has) or `die`. Connections echo lines and
survive a reload. Like postfix, its own test knows nothing of keys. What it has loaded is in a file `.loaded` beside the pid file.
"""

from __future__ import annotations

import os
import signal
import sys

if sys.argv[1:2] != ["--check"]:  # which is run a thousand times, and needs none of them
    import select
    import socket
    import ssl
    import threading
    from pathlib import Path


def parse(path: str | Path) -> tuple[list[int], list[tuple[str, str]]]:
    ports: list[int] = []
    sites: list[tuple[str, str]] = []
    with open(path) as file:  # noqa: PTH123 - pathlib takes longer than all that a test of a configuration does
        lines = file.read().splitlines()
    for number, line in enumerate(lines, 1):
        match line.split():
            case [] | ["#", *_]:
                pass
            case ["listen", port]:
                ports.append(int(port))
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
    def __init__(self, configuration: Path, control: Path, loaded: Path) -> None:
        self.configuration = configuration
        self.loaded = loaded
        self.control = control
        self.sites: dict[str, ssl.SSLContext] = {}
        self.default: ssl.SSLContext | None = None
        self.sockets: dict[int, socket.socket] = {}
        self.load()

    def load(self) -> None:
        ports, sites = parse(self.configuration)
        contexts = {}
        for name, pem in sites:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            try:
                context.load_cert_chain(pem)
            except (ssl.SSLError, OSError) as error:
                print(f"toyd: {pem}: {error}", file=sys.stderr)
                continue
            contexts[name] = context
        self.loaded.write_text(f"{self.configuration.resolve()}\n")
        self.sites = contexts
        self.default = next(iter(contexts.values()), None)
        for port in ports:
            if port not in self.sockets:
                self.sockets[port] = listening(port)

    def reload(self, *_: object) -> None:
        order = self.control.read_text().strip() if self.control.exists() else ""
        if order == "die":
            os._exit(1)
        if order != "ignore":
            self.load()

    def serve(self) -> None:
        while True:
            ready, _, _ = select.select(list(self.sockets.values()), [], [], 0.1)
            for listener in ready:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    continue
                threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def choose(self, stream: ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
        chosen = self.sites.get(name or "", self.default)
        if chosen is not None:
            stream.context = chosen

    def talk(self, connection: socket.socket) -> None:
        if self.default is None:
            connection.close()
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = self.choose
        connection.settimeout(30)
        try:
            with context.wrap_socket(connection, server_side=True) as stream:
                while line := stream.recv(1000):
                    stream.sendall(line)
        except (OSError, ssl.SSLError):
            pass


def listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    listener.setblocking(False)
    return listener


def main() -> None:
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
