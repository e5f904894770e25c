"""A whole appliance whose SSTP is served by a private daemon: engine, store, wire."""

import os
import shutil
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from agent.demo.ppp import PPPD
from agent.probing.handshake import fingerprints_of, presented
from agent.system.processes import process_of
from support.appliances.deployed import Deployed, connect, served
from support.clients.sstp import Dialled
from support.paths import CHECKOUT
from support.ports import free_port
from support.servers.local import Maker, Material
from support.toml import table
from support.waiting import until

DOMAIN = "vpn.example.test"
SSTPD = {"server": "sstp-server", "manager": "commands"}
ACCEL_PPP = {"server": "accel-ppp", "main": "own", "manager": "commands"}


def find_sstpd() -> str:
    """Return sstp-server's program, as ./test installs it."""
    found = shutil.which("sstpd", path=f"{os.environ['PATH']}:{CHECKOUT / '.venv-sstp/bin'}")
    assert found, "install sstp-server, as ./test does"
    return found


def write_pppd(directory: Path) -> Path:
    """Write the program that runs in place of pppd, below a directory; return its path."""
    path = directory / "pppd"
    path.write_text(PPPD)
    path.chmod(0o755)
    return path


@dataclass
class SSTPAppliance(Deployed):
    """An sstp-server or accel-ppp."""

    name: ClassVar[str] = "sstp"
    port: int = field(default_factory=free_port)

    def tables(self) -> str:
        values = {"domain": DOMAIN, "listen": f"127.0.0.1:{self.port}", **self.module}
        return table("services.sstp", self.service) + table("modules.sstp", values)

    def with_sstpd(self) -> None:
        """Have SSTP served by the real sstp-server, with slirp behind each session."""
        pppd = str(write_pppd(self.root / "bin"))
        options = self.layout.rooted("/etc/ppp/options.sstpd")
        options.parent.mkdir(parents=True)
        options.touch()
        self.configure(service={**SSTPD, "binary": find_sstpd(), "pppd": pppd})

    def with_toy_accel_ppp(self, *flags: str, **service: object) -> None:
        """Have SSTP served by the toy that behaves like accel-ppp. `flags`: those of tests/support/servers/toy_accel_pppd.py."""
        toy = [
            sys.executable,
            str(CHECKOUT / "tests/support/servers/toy_accel_pppd.py"),
            "--control",
            str(self.control("accel-pppd")),
            *flags,
        ]
        program = self.program("accel-pppd", f'#!/bin/sh\nexec {" ".join(toy)} "$@"\n')
        self.configure(service={**ACCEL_PPP, "binary": program, **service})

    # The daemon

    @property
    def pid_file(self) -> Path:
        if self.service["server"] == "sstp-server":
            return self.layout.run / "sstpd.pid"
        own = self.service.get("main") == "own"
        return (self.layout.run if own else self.layout.rooted("/run")) / "accel-pppd.pid"

    @property
    def pid_files(self) -> dict[str, Path]:
        return {"sstp": self.pid_file} if self.service else {}

    @property
    def pid(self) -> int | None:
        return process_of(self.pid_file)

    def start_service(self) -> None:
        if self.service["server"] == "sstp-server":
            self.start_sstpd()
        else:
            self.start_accel_ppp()

    def start_sstpd(self) -> None:
        """Start sstp-server as an administrator would."""
        self.run("sstpd", [self.service["binary"], "-f", str(self.layout.module("sstp").live / "sstpd.conf")])
        self.pid_file.write_text(f"{self.processes['sstpd'].pid}\n")
        until(lambda: served(self.port), what="sstp-server is up")

    @property
    def main_file(self) -> Path:
        """Of accel-ppp."""
        own = self.layout.service("sstp").live / "accel-ppp.conf"
        return own if self.service["main"] == "own" else self.layout.rooted("/etc/accel-ppp.conf")

    def write_main_file(self, text: str) -> None:
        """Write the administrator's own accel-ppp.conf."""
        self.main_file.parent.mkdir(parents=True, exist_ok=True)
        self.main_file.write_text(text.format(root=self.root))

    def start_accel_ppp(self) -> None:
        """Start accel-ppp as an administrator would."""
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        self.layout.log.mkdir(parents=True, exist_ok=True)
        self.run("accel-pppd", [self.service["binary"], "-p", str(self.pid_file), "-c", str(self.main_file)])
        until(lambda: self.pid is not None and served(self.port), what="accel-ppp is up")

    # What is known and what is seen

    def chain(self) -> str:
        """Return the chain that the module is bound to."""
        (found,) = self.chains().values()
        return found

    def cause(self) -> str:
        """Return what is said of the module, with the appliance's own directory left out."""
        problem = self.deployment("sstp").problem
        assert problem is not None
        return (
            problem.cause.replace(str(self.root), "ROOT")
            .replace(str(self.port), "PORT")
            .replace(sys.executable, "python")
        )

    def other_pair(self) -> Material:
        """Return a chain that has nothing to do with the appliance."""
        return Maker(self.root).make(DOMAIN)

    def connect(self) -> ssl.SSLSocket:
        return connect(self.port, DOMAIN)

    def presented(self) -> tuple[str, ...]:
        """Return the SHA-256 of what a client is sent."""
        with self.connect() as stream:
            return fingerprints_of(presented(stream))

    @contextmanager
    def session(self) -> Iterator[ssl.SSLSocket]:
        """Be connected as a client is, up to where PPP begins."""
        with self.connect() as stream:
            Dialled(stream).call(DOMAIN)
            yield stream

    @contextmanager
    def dialled(self) -> Iterator[Dialled]:
        """Be a client that trusts the appliance's root alone, up to where PPP begins."""
        with self.store() as store:
            root = store.roots.present()
        assert root is not None
        with connect(self.port, DOMAIN, ssl.create_default_context(cadata=root.certificates)) as stream:
            client = Dialled(stream)
            client.call(DOMAIN)
            yield client


def received(stream: ssl.SSLSocket) -> bytes:
    data = stream.recv(4096)
    assert data, "the server has closed the connection"
    return data


def is_over(stream: ssl.SSLSocket) -> bool:
    """Whether the server has closed a connection; waits for it for as long as the connection's timeout."""
    with suppress(ConnectionResetError):
        while stream.recv(4096):
            pass
    return True
