"""The process of the local API on a socket of the test's; called as a program it is that process, with the test's limits."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__)
sys.path.insert(0, str(HERE.parents[2]))  # for those who call it as a program

from agent.system.layout import Layout
from support.clients.api import Client
from support.processes import passes, prepared


@dataclass
class ApiProcess:
    """It listens while the context lasts; its clock is ahead by the seconds in the file `clock`.

    Asked for the time it raises, once, what is written into the file `mistake`.
    """

    layout: Layout
    web: tuple[int, ...] = ()
    """Uids under which the web interface runs."""
    limits: dict[str, float] = field(default_factory=dict)
    jobs: str = ""
    """What becomes of jobs: `done`, `taken` by somebody who does nothing; empty: nobody takes them, or the agent itself."""

    def __enter__(self) -> ApiProcess:
        self.clock = self.layout.root / "clock"
        self.mistake = self.layout.root / "mistake"
        self.log_file = self.layout.root / "api.log"
        self.listener = socket.socket(socket.AF_UNIX)
        self.layout.api.unlink(missing_ok=True)
        self.listener.bind(str(self.layout.api))
        self.listener.listen(128)
        self.agent = passes.start(self.layout, idle=self.jobs == "taken") if self.jobs else None
        options = json.dumps({"web": self.web, "limits": self.limits})
        number = self.listener.fileno()
        with self.log_file.open("ab") as log:
            argv = [HERE, self.layout.root, str(number), options]
            self.process = prepared.start(argv, stderr=log, pass_fds=[number])
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.agent is not None:
            self.agent.terminate()
            self.agent.wait()
        self.listener.close()
        self.layout.api.unlink(missing_ok=True)

    @property
    def root(self) -> Client:
        """Asks as root, who needs no session; without root nobody can."""
        return Client(self.layout.api)

    @property
    def browser(self) -> Client:
        """Asks on behalf of a browser that has not logged in."""
        return self.root.of_browser

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def log_in(self, user: str, password: str) -> Client:
        """Return a client with a session of its own."""
        reply = self.browser.post("/v1/session", {"user": user, "password": password})
        assert reply.status == 201, reply
        return self.root.bearing(reply.json["token"])

    def advance(self, **span: float) -> None:
        """Set its clock forward."""
        present = float(self.clock.read_text()) if self.clock.exists() else 0.0
        self.clock.write_text(str(present + timedelta(**span).total_seconds()))

    def ends(self) -> int:
        """Ask it to end; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def memory(self, name: str) -> int:
        """Return a line of /proc/PID/status in KiB."""
        (line,) = [
            line for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines() if line.startswith(name)
        ]
        return int(line.split()[1])


def _main(root: str, number: str, options: dict[str, Any]) -> None:
    from agent.api.authentication import PeerProcesses
    from agent.api.limits import ApiLimits
    from agent.api.process import serve
    from agent.api.services import ApiServices

    offset, mistake = Path(root) / "clock", Path(root) / "mistake"

    def clock() -> datetime:
        if mistake.exists():
            text = mistake.read_text()
            mistake.unlink()
            raise RuntimeError(text)
        ahead = float(offset.read_text()) if offset.exists() else 0.0
        return datetime.now(UTC) + timedelta(seconds=ahead)

    layout, peers = Layout(Path(root)), PeerProcesses(os.geteuid(), frozenset(options["web"]))
    with socket.socket(fileno=int(number)) as listener:
        serve(
            ApiServices(layout, peers, clock=clock, limits=ApiLimits(**options["limits"])),
            listener,
        )


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
