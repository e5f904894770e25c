"""What the programs that the agent runs for mail have in common. They are started by path, and import nothing heavy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

NOT_FOUND = 127
PAUSE = 0.05
PROC = Path("/proc")
LOG_LIMIT = 1_000_000
"""Octets or characters of a log that are read; it may be as long as a disk."""


def need(program: str) -> None:
    """End where a program isn't there."""
    if shutil.which(program) is None:
        sys.stderr.write(f"{program} is not installed\n")
        sys.exit(NOT_FOUND)


def printed(*argv: str, seconds: float) -> str:
    """Return what a program prints; nothing where it fails, takes too long, or isn't installed."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=seconds
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def run(command: Sequence[str]) -> None:
    """Run a command; end with what it ends with where it fails."""
    need(command[0])
    code = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    if code != 0:
        sys.exit(code)


def master_of(pid_file: Path) -> int | None:
    """Return the number of a daemon's master; None where it doesn't run."""
    try:
        return int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
