"""A toy TLS service in a process of its own, which a test can have misbehave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent.contract.endpoint import StartTLS
from agent.testing import toyd
from agent.testing.client import presented
from agent.testing.ports import free_port
from agent.testing.waiting import until


@dataclass
class TlsServer:
    """The process, reloaded by SIGHUP as its pid file says. It serves each of `sites` from a PEM file with key and chain."""

    directory: Path
    sites: Mapping[str, Path]
    """Server name -> file; the first one is served to who names none."""
    port: int
    starttls: str
    pid_file: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.stop()
        lines = [f"listen {self.port} {self.starttls}", *(f"site {name} {pem}" for name, pem in self.sites.items())]
        configuration = self.directory / "toyd.conf"
        configuration.write_text("\n".join([*lines, ""]))
        files = map(str, (configuration, self.pid_file, self._control))
        argv = [sys.executable, "-I", "-S", toyd.__file__, *files]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: self.pid_file.exists() or not self.runs, what="the toy service is up")
        if not self.runs:
            raise AssertionError(f"the toy service ended at once: {self.log.read_text().strip()}")

    @property
    def log(self) -> Path:
        """The file with what it prints."""
        return self.directory / "toyd.log"

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def loaded(self) -> bool:
        """Whether it has read its files; a reload takes a moment."""
        return self._loaded.exists()

    def reload(self) -> None:
        """Have it read its files again, and wait until it has; not where it was told to take no notice."""
        self._loaded.unlink(missing_ok=True)
        self._send(signal.SIGHUP)
        if not self._control.exists():
            until(lambda: self.loaded, what="the toy service has read its files")

    def ignore_reloads(self) -> None:
        """From now on, keep serving what it serves, whatever it is told."""
        self._control.write_text("ignore")

    def die_at_reload(self) -> None:
        """End with the next reload."""
        self._control.write_text("die")

    def serve_instead(self, pem: Path) -> None:
        """Serve this file from the next reload on, whatever the module's files hold: an old chain, say."""
        self._control.write_text(f"serve {pem}")

    def obey(self) -> None:
        """Do what it is told from now on."""
        self._control.unlink(missing_ok=True)

    def die(self) -> None:
        """End it without any notice; its pid file stays."""
        self._send(signal.SIGKILL)
        if self._process:
            self._process.wait(20)

    def stop(self) -> None:
        """End it properly."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None
        self.pid_file.unlink(missing_ok=True)

    def served(self, name: str = "") -> tuple[str, ...]:
        """Return the SHA-256 of leaf and intermediates that it presents; none: there is no handshake."""
        return presented(self.port, name, self.starttls)

    @property
    def _control(self) -> Path:
        return self.directory / "control"

    @property
    def _loaded(self) -> Path:
        return self.pid_file.with_suffix(".loaded")

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self.runs:
            os.kill(self._process.pid, number)


@contextmanager
def tls_server(
    pem: Path | Mapping[str, Path],
    *,
    port: int | None = None,
    starttls: StartTLS | str = "",
    pid_file: Path | None = None,
) -> Iterator[TlsServer]:
    """Give a toy TLS service that runs.

    `pem`: a file with key and chain, or one for each server name. `starttls`: the protocol that it speaks before the handshake.
    `pid_file`: where the module under test looks for its number.
    """
    sites = pem if isinstance(pem, Mapping) else {"default": pem}
    with tempfile.TemporaryDirectory(prefix="cw-toyd-") as place:
        file = pid_file or Path(place) / "toyd.pid"
        file.parent.mkdir(parents=True, exist_ok=True)
        server = TlsServer(Path(place), sites, port or free_port(), str(starttls), file)
        server.start()
        try:
            yield server
        finally:
            server.stop()
