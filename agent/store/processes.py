"""Names of processes that differ across a boot too, and whether one lives."""

from __future__ import annotations

import os
from pathlib import Path

from agent.system.processes import is_running, ticks_of


def process_name() -> str:
    """Return what tells this process from every other one, also across a boot: number, boot id and start."""
    return f"{os.getpid()}@{_boot()}/{ticks_of(os.getpid())}"


def pid_of(process: str) -> int:
    """Return the number of a process with a name. Raises ValueError."""
    return int(process.partition("@")[0])


def is_alive(process: str) -> bool:
    """Whether the process with a name is there.

    A name without the start, as releases before wrote it, is of none that lives: another process may have its number now.
    """
    pid, _, rest = process.partition("@")
    boot, _, start = rest.partition("/")
    return boot == _boot() and pid.isdecimal() and start.isdecimal() and is_running(int(pid), int(start))


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
