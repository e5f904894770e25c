"""Appliances on which each command is a process with a clock that the test moves."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from support.appliances.certified import Certified
from support.appliances.deployed import Deployed
from support.appliances.proxied import Proxied
from support.clients.terminal import Terminal
from support.processes.moved_clock import MovedClock

DAY = 86400
YEAR = 365 * DAY
TO_1970 = -56 * YEAR - 300 * DAY
"""Before any release: what a machine without a battery shows."""


class MovedMachine(Deployed):
    """What is the same of all such."""

    def moves(self, library: Path) -> None:
        """Have its commands use this library from now on."""
        self.machine = MovedClock(library, self.root / "offset")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return Terminal(self.root).run(*arguments, **self.machine.environment)

    def set(self, seconds: float, *, ntp: bool = False) -> None:
        self.machine.moved_by(seconds, ntp=ntp)

    def reboots(self, seconds: float, *, off: float = 0) -> None:
        """Have the memory be that of an earlier boot, which ended `off` seconds before this one, and the clock another one."""
        memory = self.layout.private / "clock"
        noted = json.loads(memory.read_text())
        began = noted["instant"] - noted["since_boot"]
        memory.write_text(json.dumps(noted | {"boot": "an earlier one", "instant": began - off}))
        self.set(seconds)

    def doubted(self) -> bool:
        return self.run("clock", "show").returncode == 3


class Moved(MovedMachine, Proxied):
    """One with nginx and local chains."""

    def wire(self) -> dict[str, tuple[str, str]]:
        """Return what each site presents, and whether a client whose clock is right verifies it."""
        return {name: self.seen(name) for name in self.sites}


class MovedCertified(MovedMachine, Certified):
    """One with nginx and chains of a CA."""
