"""An appliance under a directory of its own, with an engine in this process and toy daemons beside it."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from agent.model.deployment import EndpointRecord, Outcome, Refusal
from agent.probing.handshake import lenient_context
from agent.system.processes import process_of
from agent.testing import toyd
from agent.testing.appliance import Appliance
from support.paths import DYING, THIRD_PARTY
from support.processes import prepared
from support.processes.tree import kill_all
from support.waiting import until

TOYD = Path(toyd.__file__)


@dataclass
class Deployed(Appliance):
    """One appliance. An appliance for one module on its service says what is special in `tables`, `start_service`, `pid_files`.

    Its settings are fields: change them, then `configure`.
    """

    processes: dict[str, subprocess.Popen[bytes] | prepared.Process] = field(default_factory=dict)
    module: dict[str, Any] = field(default_factory=dict)
    service: dict[str, Any] = field(default_factory=dict)
    top: str = ""
    """Further keys outside of all tables."""
    more: str = ""
    """Further tables."""
    probe_timeout: int = 5
    name: ClassVar[str] = ""
    """The module."""

    def __post_init__(self) -> None:
        super().__post_init__()
        (self.root / "bin").mkdir()
        self.program("toyd", f'#!/bin/sh\nexec {sys.executable} -I -S {TOYD} "$@"\n')

    def program(self, name: str, text: str) -> str:
        """Write a program of the test's own; return its path."""
        path = self.root / "bin" / name
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    @property
    def path(self) -> str:
        return f"{self.root / 'bin'}:{os.environ['PATH']}"

    def configure(self, **changes: object) -> None:
        """Change fields, and write the settings."""
        for name, value in changes.items():
            setattr(self, name, value)
        probe = f"[probe]\ntimeout = {self.probe_timeout}\n"
        self.settings(f'hostname = "gw"\naddresses = ["127.0.0.1"]\n{self.top}\n{probe}{self.tables()}{self.more}')

    def tables(self) -> str:
        """Return the tables of the module and its services."""
        return ""

    def drop_in(self, name: str) -> None:
        """Install a plugin of tests/third_party, with its templates."""
        self.install(THIRD_PARTY / f"{name}.py")

    def assert_live(self) -> None:
        deployment = self.deployment(self.name)
        assert deployment.outcome is Outcome.LIVE, deployment.problem

    def bring_up(self) -> None:
        """Apply, start the service by hand, and have it looked at."""
        self.apply()
        self.start_service()
        self.apply()
        self.assert_live()
        self.runner.ran.clear()

    def dies_at(self, word: str) -> None:
        """Make a pass in a process that is killed; `word` says where, as tests/support/processes/dying.py does."""
        argv = [DYING, self.root, word, str(self.clock.offset.total_seconds())]
        assert prepared.run(argv).returncode == 9, f"it never came to {word}"

    def renew(self) -> None:
        """Make all chains due."""
        self.clock.advance(days=61)

    # What is known

    def chains(self, module: str = "") -> dict[str, Any]:
        """Return the chain that each slot is bound to."""
        return super().chains(module or self.name)

    def records(self) -> list[EndpointRecord]:
        with self.store() as store:
            return store.endpoints.all()

    def refusals(self) -> list[Refusal]:
        with self.store() as store:
            return store.deployments.refusals()

    # Processes

    def start_service(self) -> None:
        """Start what serves the module as an administrator would."""

    @property
    def pid_files(self) -> dict[str, Path]:
        """The file with the number of each service's main process."""
        return {}

    def kill(self, *services: str) -> None:
        """End services, all of them unless some are named, with all their processes, as the OOM killer does."""
        kill_all(process_of(self.pid_files[service]) for service in services or self.pid_files)

    def start(self, name: str, configuration: Path) -> None:
        """Start a toy daemon that is reloaded by `<run>/NAME.pid` and minds `<root>/NAME.control`."""
        pid_file = self.layout.run / f"{name}.pid"
        self._end(name)
        with (self.root / f"{name}.log").open("ab") as log:
            argv = [TOYD, configuration, pid_file, self.control(name)]
            self.processes[name] = prepared.start(argv, stdout=log, stderr=log)
        until(pid_file.exists, what=f"{name} is up")

    def run(self, name: str, argv: Sequence[str], **environment: str) -> None:
        """Start a program that stays in the foreground, in place of its last run; what it prints is in `<root>/NAME.log`."""
        self._end(name)
        with (self.root / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **environment}
            )

    def control(self, name: str) -> Path:
        return self.root / f"{name}.control"

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.terminate()
        process.wait(20)
        (self.layout.run / f"{name}.pid").unlink(missing_ok=True)

    def close(self) -> None:
        """End everything that was started here, whatever state it is in."""
        self.kill()
        kill_all(map(process_of, self.layout.run.glob("*.pid")))
        for name in list(self.processes):
            self._end(name)

    def _end(self, name: str) -> None:
        if process := self.processes.pop(name, None):
            process.kill()
            process.wait()


def run_quietly(*argv: str | Path) -> None:
    """Run what puts itself into the background, so that it holds no pipe of ours."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([str(each) for each in argv], check=True, timeout=30, **quiet)


def connect(port: int, name: str | None = None, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    """Make a TLS connection to this machine; nothing is verified unless `context` does."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=20)
    try:
        return (context or lenient_context()).wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise


def leaf_of(stream: ssl.SSLSocket) -> str:
    """Return the SHA-256 of the leaf that is presented."""
    return hashlib.sha256(stream.getpeercert(binary_form=True) or b"").hexdigest()


def served(port: int, name: str = "") -> str:
    """Return the SHA-256 of the leaf that is presented, empty when there is no handshake."""
    try:
        with connect(port, name or None) as stream:
            return leaf_of(stream)
    except OSError:
        return ""
