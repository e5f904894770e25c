"""The command `chainwright` as a process, typed into a pipe or into a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.processes import prepared

PROGRAM = [sys.executable, "-c", "import sys; from agent.cli import main; sys.exit(main())"]
CONFIG_APPLY = [sys.executable, "-c", "import sys; from agent.cli import config_apply; sys.exit(config_apply())"]
PATIENCE = 60.0


@dataclass(frozen=True)
class Terminal:
    """Runs commands on one appliance."""

    root: Path

    def run(
        self, *arguments: str, program: list[str] = PROGRAM, typed: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        argv = [*program[1:], *arguments, "--root", str(self.root)]
        return prepared.run(argv, typed=typed, timeout=PATIENCE, env=_clean() | environment)

    def json(self, *arguments: str) -> dict[str, Any]:
        """Return what a command prints with ``--json``; nothing else may stand on stdout."""
        row: dict[str, Any] = json.loads(self.run(*arguments, "--json").stdout)
        assert row["schema"] == 1
        return row

    def seen(self, *arguments: str, **environment: str) -> str:
        """Return what a person sees on a terminal of 100 columns."""
        master, slave = pty.openpty()
        process = prepared.start(
            [*PROGRAM[1:], *arguments, "--root", str(self.root)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=_clean() | {"TERM": "xterm", "COLUMNS": "100"} | environment,
        )
        os.close(slave)
        try:
            return _drained(master).decode()
        finally:
            os.close(master)
            process.wait(PATIENCE)


def _clean() -> dict[str, str]:
    """Return the environment without what would change the output."""
    return {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}}


def _drained(master: int) -> bytes:
    deadline = time.monotonic() + PATIENCE
    data = b""
    while time.monotonic() < deadline:
        if not select.select([master], [], [], 0.5)[0]:
            continue
        try:
            more = os.read(master, 65536)
        except OSError:  # the last one who had it open has gone
            return data
        data += more
    raise AssertionError(f"it does not end; so far: {data!r}")
