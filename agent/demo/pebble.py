"""Running the demo's CA: two processes that end with the demo, and whose pid files tell the next one what was left."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Sequence
from datetime import timedelta

from agent.demo.ca import TRUST, Ports
from agent.demo.ports import LOOPBACK, Place, choose_ports
from agent.demo.processes import GRACE
from agent.errors import AgentError
from agent.pki.authority import Root
from agent.pki.encoding import Part, encode
from agent.pki.key import KeyType
from agent.pki.purpose import Purpose
from agent.store import Store
from agent.system.clock import Clock
from agent.system.http_fetch import Bounds, fetch
from agent.system.layout import Layout
from agent.system.release import RELEASED_AT
from agent.system.writing import make_directory, replace

LIFETIME = timedelta(days=90)
"""Of what it signs, as Let's Encrypt's."""
LARGEST_ANSWER = 1_000_000
"""Octets of what it says of itself."""
ROOT_FILES = "pebble-*.pem"
"""In `Layout.trust`; the CA makes a new root at each start, and its old chains stay in service."""


class Pebble:
    """The CA of one run of the demo."""

    def __init__(self, layout: Layout, programs: tuple[str, str], ports: Ports) -> None:
        self._layout = layout
        self._programs = programs
        self._ports = ports
        self._management, self._dns_management = choose_ports([Place(0), Place(0)])
        self._place = layout.rooted(TRUST).parent
        self.log = layout.log / "pebble.log"

    def start(self) -> bool:
        """Start both processes, and wait until the CA answers; return whether it does."""
        self._write_files()
        pebble, dns = self._programs
        started = [
            self._start("pebble-challtestsrv", dns, self._dns_arguments(dns), {}),
            self._start("pebble", pebble, self._arguments(), {"PEBBLE_VA_NOSLEEP": "1"}),
        ]
        try:
            if not self._comes_up(started):
                return False
            self._trust_what_it_signs()
        except OSError:  # another program has its port
            return False
        return True

    def _write_files(self) -> None:
        self._place.parent.mkdir(parents=True, exist_ok=True)
        make_directory(self._place, mode=0o700)
        now = Clock(self._layout.root)()
        root = Root.create("Pebble's listener", "", now, RELEASED_AT, lifetime=LIFETIME)
        chain = root.issue([LOOPBACK], KeyType.ECDSA_P256, Purpose.SERVER, now)
        replace(self._place / "listener.key", encode(chain, [Part.KEY]), mode=0o600)
        replace(self._place / "listener.pem", encode(chain, [Part.FULLCHAIN]), mode=0o644)
        replace(self._layout.rooted(TRUST), root.pem(), mode=0o644)
        replace(self._place / "pebble.json", json.dumps({"pebble": self._configuration()}).encode(), mode=0o644)

    def _configuration(self) -> dict[str, object]:
        seconds = int(LIFETIME.total_seconds())
        return {
            "listenAddress": f"{LOOPBACK}:{self._ports.directory}",
            "managementListenAddress": f"{LOOPBACK}:{self._management}",
            "certificate": str(self._place / "listener.pem"),
            "privateKey": str(self._place / "listener.key"),
            "httpPort": self._ports.http,
            "tlsPort": self._ports.http,  # nobody asks for TLS-ALPN-01
            "keyAlgorithm": "ecdsa",
            "profiles": {"classic": {"description": "90 days", "validityPeriod": seconds}},
            "certificateValidityPeriod": seconds,  # of versions that know no profiles
        }

    def _arguments(self) -> list[str]:
        return ["-config", str(self._place / "pebble.json"), "-dnsserver", f"{LOOPBACK}:{self._ports.dns}"]

    def _dns_arguments(self, program: str) -> list[str]:
        """Serve only DNS: the flag for it has had two names, and DNS over HTTPS, on by default, came with the newer one."""
        usage = subprocess.run([program, "-help"], capture_output=True, text=True, timeout=GRACE, check=False).stderr
        arguments = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", LOOPBACK, "-defaultIPv6", ""]
        arguments += ["-doh", ""] if "-doh " in usage else []
        arguments += ["-dnsserver" if "-dnsserver " in usage else "-dns01", f"{LOOPBACK}:{self._ports.dns}"]
        return [*arguments, "-management", f"{LOOPBACK}:{self._dns_management}"]

    def _start(
        self, name: str, program: str, arguments: Sequence[str], environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [str(self._place / name), *arguments],  # by the directory it's known as this appliance's, see `end_all`
                executable=program,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        replace(self._layout.run / f"{name}.pid", f"{process.pid}\n".encode(), mode=0o644)
        return process

    def _comes_up(self, processes: Sequence[subprocess.Popen[bytes]]) -> bool:
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and all(each.poll() is None for each in processes):
            if _listens(self._ports.directory) and _listens(self._management):
                return True
            time.sleep(0.02)
        return False

    def _trust_what_it_signs(self) -> None:
        """Let the appliance know the root that the CA has made, and forget those by which nothing is signed any more."""
        from agent.pki.certificate import load_certificates, title_of

        used = {f"pebble-{_mark(issuer)}.pem" for issuer in self._issuers()}
        for path in self._layout.trust.glob(ROOT_FILES):
            if path.name not in used:
                path.unlink()
        (intermediate,) = load_certificates(self._managed("intermediates/0"))
        self._layout.trust.mkdir(exist_ok=True)
        replace(
            self._layout.trust / f"pebble-{_mark(title_of(intermediate))}.pem", self._managed("roots/0"), mode=0o644
        )

    def _issuers(self) -> list[str]:
        try:
            with Store.open_existing(self._layout) as store:
                return [each.issuer for each in store.chains.records()]
        except AgentError:
            return []

    def _managed(self, path: str) -> bytes:
        context = ssl.create_default_context(cafile=self._layout.rooted(TRUST))
        bounds = Bounds(time.monotonic() + GRACE, LARGEST_ANSWER, use_proxies=False)
        answer = fetch(f"https://{LOOPBACK}:{self._management}/{path}", bounds, context=context)
        if answer.status != 200:
            raise OSError(f"the CA answers with HTTP status {answer.status}")
        return answer.body


def trusted_roots(layout: Layout) -> bytes:
    """Return the roots that the demo's CA has had, as far as chains of them are kept, PEM."""
    return b"".join(path.read_bytes() for path in sorted(layout.trust.glob(ROOT_FILES)))


def _mark(issuer: str) -> str:
    """Return the hexadecimal digits by which Pebble tells its intermediates apart."""
    return "".join(each for each in issuer.rpartition(" ")[2] if each.isalnum())


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False
