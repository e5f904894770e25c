"""What of a session survives a renewal, a change of root and a restart.  python bench/sessions.py [nginx|haproxy|apache|webui]...

Each session is begun, then the event comes, then the session is looked at until it ends or has gone on for SECONDS more.
A restart is Debian's: the service is asked to end, has five seconds for that, and is ended.
"""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from agent.operations.root import reissue_root  # noqa: E402
from agent.system.processes import process_of  # noqa: E402
from support.appliances.deployed import Deployed, connect  # noqa: E402
from support.appliances.proxied import OWN, Proxied  # noqa: E402
from support.appliances.webui import ADDRESS, Appliance, Root  # noqa: E402
from support.fakes.api import NOW, SESSION, WHO, status  # noqa: E402
from support.ports import free_port  # noqa: E402

SITE = "a.example.test"
SECONDS = 12
"""How long a transfer takes, and how long is looked."""
PIECE = 20_000
AT_REST = "at rest"
"""Of sessions that ask again once the event is over."""
STOP = 5.0
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
Session = Callable[[ssl.SSLSocket], Iterator[None]]


class Upstream(socketserver.StreamRequestHandler):
    """A slow server: a download that drips, an upload that is read to its end, a WebSocket that echoes."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while self.answer():
                pass

    def answer(self) -> bool:
        head = [line.decode().strip() for line in iter(self.rfile.readline, b"\r\n") if line]
        if not head:
            return False
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        if fields.get("upgrade"):
            digest = hashlib.sha1((fields["sec-websocket-key"] + GUID).encode()).digest()
            lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: upgrade"]
            lines += [f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}", "", ""]
            self.wfile.write("\r\n".join(lines).encode())
            while data := self.connection.recv(100):
                self.wfile.write(data)
            return False
        self.rfile.read(int(fields.get("content-length", 0)))
        drips = SECONDS * 2 if "/slow" in head[0] else 1
        self.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Length: {drips * PIECE}\r\n\r\n".encode())
        for number in range(drips):
            self.wfile.write(bytes(PIECE))
            time.sleep(0.5 if number + 1 < drips else 0)
        return True


@contextlib.contextmanager
def upstream() -> Iterator[int]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Upstream) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


# Sessions: each begins with its first step, and goes on with the others


def answered(stream: ssl.SSLSocket) -> None:
    """Read an answer to its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += received(stream)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    while len(body) < length:
        body += received(stream)
    if b" 200 " not in head.split(b"\r\n")[0] + b" ":
        raise OSError(head.split(b"\r\n")[0].decode())


def received(stream: ssl.SSLSocket) -> bytes:
    data = stream.recv(65536)
    if not data:
        raise ConnectionResetError("closed")
    return data


def request(path: str, host: str, *more: str) -> bytes:
    return "\r\n".join(
        [f"{'POST' if more[:1] == ('',) else 'GET'} {path} HTTP/1.1", f"Host: {host}", *filter(None, more), "", ""]
    ).encode()


def keep_alive(stream: ssl.SSLSocket) -> Iterator[None]:
    """Ask once, rest while the event comes, and ask again."""
    stream.sendall(request("/", SITE))
    answered(stream)
    yield
    time.sleep(1)
    stream.sendall(request("/", SITE))
    answered(stream)


def download(stream: ssl.SSLSocket) -> Iterator[None]:
    stream.sendall(request("/slow", SITE))
    received(stream)
    yield
    length = 0
    while length < SECONDS * 2 * PIECE - 65536:
        length += len(received(stream))


def upload(stream: ssl.SSLSocket, path: str = "/", host: str = SITE, *more: str) -> Iterator[None]:
    stream.sendall(request(path, host, "", f"Content-Length: {SECONDS * 100}", *more))
    stream.sendall(bytes(100))
    yield
    for _ in range(SECONDS - 1):
        time.sleep(1)
        stream.sendall(b"x" * 100)
    received(stream)


def websocket(stream: ssl.SSLSocket) -> Iterator[None]:
    key = base64.b64encode(os.urandom(16)).decode()
    stream.sendall(request("/", SITE, "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}"))
    if b" 101 " not in received(stream):
        raise OSError("no WebSocket")
    yield
    for _ in range(SECONDS):
        stream.sendall(b"ping")
        received(stream)
        time.sleep(1)


class Curl:
    """An HTTP/2 stream, by curl."""

    def __init__(self, port: int) -> None:
        where = ["--resolve", f"{SITE}:{port}:127.0.0.1", f"https://{SITE}:{port}/slow"]
        self._process = subprocess.Popen(
            ["curl", "-sk", "--http2", "-o", "/dev/null", "-w", "%{http_version} %{size_download}", *where],
            stdout=subprocess.PIPE,
            text=True,
        )
        time.sleep(1)

    def end(self) -> str:
        written = self._process.communicate(timeout=60)[0]
        return "goes on" if written == f"2 {SECONDS * 2 * PIECE}" else f"ends ({written})"


class Held:
    """A session in a thread of its own."""

    def __init__(self, port: int, session: Session) -> None:
        self._begun, self._event = threading.Event(), threading.Event()
        self.outcome = ""
        self._at = 0.0
        self._thread = threading.Thread(target=self._hold, args=(port, session), daemon=True)
        self._thread.start()
        self._begun.wait(20)

    def go_on(self) -> None:
        self._at = time.monotonic()
        self._event.set()

    def _hold(self, port: int, session: Session) -> None:
        try:
            with connect(port, SITE) as stream:
                stream.settimeout(30)
                steps = session(stream)
                next(steps)
                self._begun.set()
                self._event.wait(60)
                for _ in steps:
                    pass
                self.outcome = "goes on"
        except (OSError, StopIteration) as error:
            self._begun.set()
            self.outcome = f"ends after {time.monotonic() - self._at:.0f} s ({type(error).__name__})"

    def end(self) -> str:
        self._thread.join(60)
        return self.outcome or "hangs"


def measure(
    title: str, port: int, sessions: dict[str, Session], event: Callable[[], None], *, http2: bool = False
) -> None:
    held: dict[str, Held | Curl] = {name: Held(port, session) for name, session in sessions.items()}
    if http2:
        held["HTTP/2 stream"] = Curl(port)
    for name, each in held.items():
        if isinstance(each, Held) and AT_REST not in name:
            each.go_on()
    event()
    for name, each in held.items():
        if isinstance(each, Held) and AT_REST in name:
            each.go_on()
    for name, each in held.items():
        print(f"{title:12} {name:34} {each.end()}", flush=True)


HTTP: dict[str, Session] = {
    f"keep-alive, {AT_REST}": keep_alive,
    "download": download,
    "upload": upload,
}


def renew(box: Deployed) -> None:
    box.renew()
    box.apply()
    box.assert_live()


def change_root(box: Deployed) -> None:
    box.change(reissue_root)
    box.apply()
    box.assert_live()


def restart(box: Deployed, pid_file: Path, ask: signal.Signals) -> None:
    """Stop as Debian's unit does, and start."""
    pid = process_of(pid_file)
    assert pid
    os.kill(pid, ask)
    deadline = time.monotonic() + STOP
    while process_of(pid_file) and time.monotonic() < deadline:
        time.sleep(0.1)
    if process_of(pid_file):
        os.kill(pid, signal.SIGTERM)
        while process_of(pid_file):
            time.sleep(0.1)
    box.start_service()


def of_nginx() -> None:
    with upstream() as port, Proxied.make(sites=(SITE,), upstream=f"http://127.0.0.1:{port}", service=OWN) as box:
        box.configure(probe_timeout=10)
        box.bring_up()
        sessions = {**HTTP, "WebSocket": websocket}
        measure("renewal", box.port, sessions, lambda: renew(box), http2=True)
        measure("root change", box.port, sessions, lambda: change_root(box), http2=True)
        measure("restart", box.port, sessions, lambda: restart(box, box.pid_file, signal.SIGQUIT), http2=True)


HAPROXY = """
global
    master-worker
    pidfile {root}/haproxy.pid
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend https
    bind 127.0.0.1:{port} ssl crt {root}/etc/haproxy/certs/ alpn h2,http/1.1
    default_backend slow
backend slow
    server one 127.0.0.1:{upstream}
"""


class Balanced(Deployed):
    """An haproxy of the administrator's, with its files from the module `files`."""

    name = "files"
    port = 0

    def tables(self) -> str:
        lines = [
            "[modules.files]",
            f'command = ["{self.root}/bin/reload"]',
            "[[modules.files.chains]]",
            f'names = ["{SITE}"]',
        ]
        lines += [
            'files = [{ format = "combined", path = "/etc/haproxy/certs/a.pem" }]',
            f"endpoints = [{{ port = {self.port} }}]",
        ]
        return "\n".join([*lines, ""])

    def start_service(self) -> None:
        self.run("haproxy", ["/usr/sbin/haproxy", "-W", "-f", str(self.root / "haproxy.cfg")])
        while not process_of(self.root / "haproxy.pid"):
            time.sleep(0.1)
        time.sleep(1)


def of_haproxy() -> None:
    with upstream() as behind, Balanced.make() as box:
        box.port = free_port()
        (box.root / "haproxy.cfg").write_text(HAPROXY.format(root=box.root, port=box.port, upstream=behind))
        box.program("reload", f'#!/bin/sh\nexec kill -USR2 "$(cat {box.root}/haproxy.pid)"\n')
        box.configure(probe_timeout=10)
        box.bring_up()
        sessions = {**HTTP, "WebSocket": websocket}
        measure("renewal", box.port, sessions, lambda: renew(box), http2=True)
        measure("root change", box.port, sessions, lambda: change_root(box), http2=True)
        measure(
            "restart", box.port, sessions, lambda: restart(box, box.root / "haproxy.pid", signal.SIGTERM), http2=True
        )


APACHE = """
ServerRoot {root}
ServerName localhost
PidFile {root}/apache.pid
ErrorLog {root}/apache.log
Listen 127.0.0.1:{port} https
SSLSessionCache none
<VirtualHost 127.0.0.1:{port}>
    ServerName {site}
    Protocols h2 http/1.1
    SSLEngine on
    SSLCertificateFile {root}/etc/ssl/chainwright/a/fullchain.pem
    SSLCertificateKeyFile {root}/etc/ssl/chainwright/a/key.pem
    ProxyPass / http://127.0.0.1:{upstream}/ upgrade=websocket
</VirtualHost>
"""
APACHE_MODULES = ("mpm_event", "authz_core", "socache_shmcb", "ssl", "http2", "proxy", "proxy_http", "proxy_wstunnel")


class Apache(Deployed):
    """An Apache of the administrator's, with its files in a directory."""

    name = "files"
    port = 0
    program_path = shutil.which("apache2") or "/usr/sbin/apache2"

    def tables(self) -> str:
        asked = f'"{self.program_path}", "-f", "{self.root}/apache.conf"'
        lines = ["[modules.files]", f'test = [{asked}, "-t"]', f'command = [{asked}, "-k", "graceful"]']
        lines += ["[[modules.files.chains]]", f'names = ["{SITE}"]', 'directory = "/etc/ssl/chainwright/a"']
        return "\n".join([*lines, f"endpoints = [{{ port = {self.port} }}]", ""])

    def start_service(self) -> None:
        subprocess.run([self.program_path, "-f", f"{self.root}/apache.conf"], check=True)
        while not process_of(self.root / "apache.pid"):
            time.sleep(0.1)
        time.sleep(1)


def of_apache() -> None:
    with upstream() as behind, Apache.make() as box:
        box.port = free_port()
        modules = Path(box.program_path).parents[1] / "lib/apache2/modules"
        loaded = "".join(f"LoadModule {name}_module {modules}/mod_{name}.so\n" for name in APACHE_MODULES)
        text = APACHE.format(root=box.root, port=box.port, site=SITE, upstream=behind)
        (box.root / "apache.conf").write_text(loaded + text)
        box.configure(probe_timeout=10)
        box.bring_up()
        sessions = {**HTTP, "WebSocket": websocket}
        measure("renewal", box.port, sessions, lambda: renew(box), http2=True)
        measure("root change", box.port, sessions, lambda: change_root(box), http2=True)
        measure(
            "restart", box.port, sessions, lambda: restart(box, box.root / "apache.pid", signal.SIGTERM), http2=True
        )


class Api(socketserver.StreamRequestHandler):
    """The agent's API: a person who has logged in, and a job whose steps drip."""

    def handle(self) -> None:
        line, *_ = [each for each in iter(self.rfile.readline, b"\r\n") if each]
        path = line.split()[1].decode()
        if path.endswith("/events"):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
            for number in range(1, SECONDS * 2):
                step = {
                    "id": number,
                    "kind": "step",
                    "text": "a step",
                    "at": NOW.isoformat(),
                    "module": "",
                    "job": "a",
                    "detail": {},
                }
                with contextlib.suppress(OSError):
                    self.wfile.write(f"id: {number}\ndata: {json.dumps(step)}\n\n".encode())
                time.sleep(0.5)
            return
        data = json.dumps({**WHO, "idle_at": "2099-01-01T00:00:00Z"} if "session" in path else status()).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
        self.wfile.write(head.encode() + data)


COOKIE = f"Cookie: __Host-chainwright={SESSION}"


def page(stream: ssl.SSLSocket) -> Iterator[None]:
    stream.sendall(request("/generation", "localhost"))
    answered(stream)
    yield
    time.sleep(1)
    stream.sendall(request("/generation", "localhost"))
    answered(stream)


def steps(stream: ssl.SSLSocket) -> Iterator[None]:
    stream.sendall(request("/jobs/a/steps", "localhost", COOKIE))
    if b" 200 " not in received(stream):
        raise OSError("no stream")
    yield
    for _ in range(SECONDS):
        received(stream)


def form(stream: ssl.SSLSocket) -> Iterator[None]:
    kind = "Content-Type: application/x-www-form-urlencoded"
    return upload(stream, "/login", "localhost", kind, "Sec-Fetch-Site: same-origin")


def of_webui() -> None:
    sessions: dict[str, Session] = {
        f"page, connection {AT_REST}": page,
        "steps of a job (event stream)": steps,
        "form that is being sent": form,
    }
    with tempfile.TemporaryDirectory(prefix="cw-") as place, contextlib.ExitStack() as stack:
        root = Root(datetime.now(UTC))
        box = Appliance(root, Path(place))

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        server = stack.enter_context(Server(str(box.api), Api))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        box.stage(1, root.issue(*ADDRESS))
        box.switch(1)
        box.start()
        stack.callback(lambda: box.process and box.process.kill())

        def take(number: int, signer: Root) -> None:
            box.stage(number, signer.issue(*ADDRESS))
            box.reload(number)
            box.wait_for_log(f"generation {number} is in service")

        def start_again() -> None:
            port = box.port
            box.stop()
            box.launch(port=port)
            box.wait_for_log("is served on https://")

        measure("renewal", box.port, sessions, lambda: take(2, root))
        measure("root change", box.port, sessions, lambda: take(3, Root(datetime.now(UTC))))
        measure("restart", box.port, sessions, start_again)
        server.shutdown()


KINDS = {"nginx": of_nginx, "haproxy": of_haproxy, "apache": of_apache, "webui": of_webui}

if __name__ == "__main__":
    socket.setdefaulttimeout(60)
    for name in sys.argv[1:] or ["nginx", "haproxy", "webui"]:
        print(f"-- {name}")
        KINDS[name]()
