"""A web interface as a real process, with generations made by hand and a throw-away root."""

import datetime
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from support.cas import certificates
from support.paths import CHECKOUT
from support.processes import prepared
from support.waiting import until

TEMPLATES = CHECKOUT / "templates" / "webui"
ADDRESS = ("gw", "localhost", "127.0.0.1")
"""Names of the slot `address`."""
PATIENCE = 20.0
"""Seconds until a wait gives up: for a busy machine, not a measure of anything."""

LAUNCHER = """
import sys
from pathlib import Path
from chainwright import AgentError
from agent.api.connection_limit import LOCAL, ConnectionLimit, Places, tcp_pools
from plugins.webui.idle import IdleConnection
from plugins.webui.process import start_at
from plugins.webui.server import Connection, Server
from plugins.webui.serving import Serving, serve
live, pid_file, api, host, port, patience, places, idle, *templates = sys.argv[1:]
Connection.headers_seconds = IdleConnection.headers_seconds = Serving.handshake_seconds = float(patience)
local = {LOCAL: Places(int(places), int(places))} if int(places) else {}
Serving.limit = lambda _: ConnectionLimit(tcp_pools() | local)
Server.idle_seconds = float(idle)
try:
    places = [Path(each) for each in templates]
    serve(start_at(Path(live), [(host, int(port))], Path(pid_file), places, Path(api)))
except AgentError as error:
    sys.exit(str(error))
"""


@dataclass(frozen=True)
class Pair:
    """A leaf and its key, PEM."""

    certificate: bytes
    key: bytes

    @property
    def der(self) -> bytes:
        return ssl.PEM_cert_to_DER_cert(self.certificate.decode())

    @property
    def leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate)


class Root:
    """Signs what the tests serve."""

    def __init__(self, now: datetime.datetime) -> None:
        self.now = now
        self._party = certificates.root("Test Root", now=now, pathlen=0)
        self.certificate = self._party.certificate
        self.pem = certificates.pem(self.certificate).decode()

    def issue(self, *names: str, key_type: str = "ecdsa", bits: int = 2048) -> Pair:
        key = certificates.p256_key() if key_type == "ecdsa" else rsa.generate_private_key(65537, bits)
        leaf = self._party.leaf(*names, key=key, now=self.now, days=2)
        return Pair(certificates.pem(leaf.certificate), certificates.key_pem(key))

    def client(self, *, alpn: bool = True) -> ssl.SSLContext:
        """Return a client's context that trusts this root only. New each time, so no session is ever resumed."""
        context = ssl.create_default_context(cadata=self.pem)
        if alpn:
            context.set_alpn_protocols(["h2", "http/1.1"])
        return context


@dataclass
class Appliance:
    """The files and the process."""

    root: Root
    directory: Path
    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    templates: list[Path] = field(default_factory=lambda: [TEMPLATES])
    patience: float = PATIENCE
    """Seconds that a new connection has for its handshake, and for its first request."""
    places: int = 0
    """Connections from this machine at a time; 0: as many as on an appliance."""
    idle: float = 60.0
    """Seconds after the last connection, until the process makes itself small again."""

    def __post_init__(self) -> None:
        self.live = self.directory / "live"
        self.pid_file = self.directory / "webui.pid"
        self.log_file = self.directory / "log"
        self.api = self.directory / "api.sock"

    def stage(self, number: int, address: Pair, name: Pair | None = None, names: tuple[str, ...] = ()) -> Path:
        """Write a generation, as the agent does."""
        generation = self.directory / str(number)
        slots = {"address": (ADDRESS, address)}
        if name:
            slots["name"] = (names or ("gw.example.com",), name)
        manifest: dict[str, object] = {"generation": number, "default": "address"}
        manifest["slots"] = {slot: self._part(generation, slot, *part) for slot, part in slots.items()}
        (generation / "generation.json").write_text(json.dumps(manifest))
        return generation

    def _part(self, generation: Path, slot: str, names: tuple[str, ...], pair: Pair) -> dict[str, object]:
        (generation / slot).mkdir(parents=True)
        (generation / slot / "fullchain.pem").write_bytes(pair.certificate)
        (generation / slot / "key.pem").write_bytes(pair.key)
        return {"names": names, "certificate": f"{slot}/fullchain.pem", "key": f"{slot}/key.pem"}

    def switch(self, number: int) -> None:
        """Let `live` name another generation, in one step."""
        draft = self.directory / "live.new"
        draft.symlink_to(str(number))
        draft.replace(self.live)

    def launch(self, host: str = "127.0.0.1", port: int = 0) -> subprocess.Popen[bytes]:
        """Start the process, and don't wait."""
        limits = (str(self.patience), str(self.places), str(self.idle))
        arguments = [self.live, self.pid_file, self.api, host, str(port), *limits, *self.templates]
        with self.log_file.open("wb") as log:
            self.process = prepared.start(["-c", LAUNCHER, *arguments], stderr=log, cwd=CHECKOUT)
        return self.process

    def start(self) -> None:
        """Start the process, and wait until it serves."""
        self.launch()
        line = self.wait_for_log("is served on https://")
        self.port = int(line.rpartition(":")[2].rstrip("/"))

    def reload(self, number: int) -> None:
        """Switch and tell the process, by its pid file."""
        self.switch(number)
        os.kill(int(self.pid_file.read_text()), signal.SIGHUP)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def wait_for_log(self, text: str) -> str:
        """Return the first line of the log that contains `text`."""

        def line() -> str:
            found = next((line for line in self.log.splitlines() if text in line), "")
            assert found or not self.process or self.process.poll() is None, self.log
            return found

        until(line, what=lambda: f"{text!r} in the log, which is:\n{self.log}")
        return line()

    def connect(self, server_name: str | None = "localhost", context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """Return a fresh connection; without a server name no SNI is sent."""
        context = context or self.root.client()
        context.check_hostname = context.check_hostname and server_name is not None
        raw = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        try:
            return context.wrap_socket(raw, server_hostname=server_name)
        except BaseException:
            raw.close()
            raise

    def presented(self, server_name: str | None = "localhost", context: ssl.SSLContext | None = None) -> bytes:
        """Return the leaf (DER) that a fresh handshake is given."""
        with self.connect(server_name, context) as connection:
            return connection.getpeercert(binary_form=True) or b""

    def https(self, host: str = "localhost") -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(host, self.port, timeout=PATIENCE, context=self.root.client(alpn=False))

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, str]:
        """Return one answer and its body, over a fresh connection."""
        connection = self.https()
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer, answer.read().decode(errors="replace")
        finally:
            connection.close()
