"""An appliance under a directory of its own, with an engine in this process and toy daemons beside it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from agent.engine.engine import Engine, Result
from agent.model.deployment import Deployment
from agent.model.events import Event
from agent.operations.locked_state import locked_state
from agent.store import Store
from agent.system.command import Action, CommandResult, SystemRunner
from agent.system.layout import Layout
from support.paths import TESTS, THIRD_PARTY

TOYD = TESTS / "support/servers/toyd.py"
T = TypeVar("T")

NO_CA = 'sources = ["uploaded", "local"]\n'


def until(condition: Callable[[], object], *, seconds: float = 20.0, what: str = "") -> None:
    """Wait for a condition, in short steps and not for ever."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.02)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def advance(self, **span: float) -> None:
        self.offset += timedelta(**span)


class CountingRunner:
    """Runs for real, and remembers what it ran."""

    def __init__(self) -> None:
        self.ran: list[Action] = []

    def run(self, action: Action) -> CommandResult:
        self.ran.append(action)
        return SystemRunner().run(action)

    def count(self, word: str) -> int:
        return sum(word in str(action) for action in self.ran)


@dataclass
class Deployed:
    """One appliance."""

    root: Path
    clock: Clock = field(default_factory=Clock)
    runner: CountingRunner = field(default_factory=CountingRunner)
    events: list[Event] = field(default_factory=list)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.layout = Layout(self.root)
        self.layout.plugins.mkdir(parents=True)
        self.layout.run.mkdir(parents=True)
        programs = self.root / "bin"
        programs.mkdir()
        (programs / "toyd").write_text(f'#!/bin/sh\nexec {sys.executable} {TOYD} "$@"\n')
        (programs / "toyd").chmod(0o755)

    @property
    def path(self) -> str:
        return f"{self.root / 'bin'}:{os.environ['PATH']}"

    def settings(self, text: str) -> None:
        """Write the settings. A ladder that they don't name has no CA in it: nothing is asked beyond this machine."""
        ladder = "" if re.search("^sources = ", text, re.MULTILINE) else NO_CA
        self.layout.settings.write_text(ladder + text)

    def drop_in(self, name: str) -> None:
        """Install a plugin of tests/third_party, with its templates."""
        shutil.copy(THIRD_PARTY / f"{name}.py", self.layout.plugins)
        shutil.copytree(THIRD_PARTY / "templates", self.layout.plugins / "templates", dirs_exist_ok=True)

    def engine(self) -> Engine:
        return Engine(self.layout, clock=self.clock, runner=self.runner, listeners=[self.events.append], who="test")

    def change(self, operation: Callable[..., T], *given: object, **options: object) -> T:
        """Do what an administrator does, as one change under the lock."""
        with locked_state(self.engine()) as state:
            return operation(state, *given, **options)

    def apply(self, **options: float) -> Result:
        return self.engine().apply(wait=0, **options)

    def store(self) -> Store:
        return Store.open(self.layout)

    def deployment(self, module: str) -> Deployment:
        with self.store() as store:
            return store.deployments.all()[module]

    def live(self, module: str) -> Path:
        return (self.layout.module(module).state / "live").resolve()

    def start(self, name: str, configuration: Path) -> None:
        """Start a toy daemon that is reloaded by `<run>/NAME.pid` and minds `<root>/NAME.control`."""
        pid_file = self.layout.run / f"{name}.pid"
        argv = [sys.executable, str(TOYD), str(configuration), str(pid_file), str(self.control(name))]
        with (self.root / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(argv, stderr=log)
        until(pid_file.exists, what=f"{name} is up")

    def control(self, name: str) -> Path:
        return self.root / f"{name}.control"

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.terminate()
        process.wait(10)
        (self.layout.run / f"{name}.pid").unlink(missing_ok=True)

    def close(self) -> None:
        for name in list(self.processes):
            self.stop(name)
        for pid_file in self.layout.run.glob("*.pid"):
            with suppress(OSError, ValueError):
                os.kill(int(pid_file.read_text()), signal.SIGTERM)


def served(port: int, name: str = "") -> str:
    """Return the SHA-256 of the leaf that is presented, empty when there is no handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=name or None) as stream,
        ):
            return hashlib.sha256(stream.getpeercert(binary_form=True) or b"").hexdigest()
    except OSError:
        return ""
