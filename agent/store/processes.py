"""Names of processes that differ across a boot too, and whether one lives."""

from __future__ import annotations

import os
from pathlib import Path


def process_name() -> str:
    """Return what tells this process from every other one, also across a boot: number and boot id."""
    return f"{os.getpid()}@{_boot()}"


def is_alive(process: str) -> bool:
    """Whether the process with a name is there."""
    pid, _, boot = process.partition("@")
    return boot == _boot() and Path(f"/proc/{pid}").exists()


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
