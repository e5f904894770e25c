"""Processes that are known by a number: whether it is still the same one, and when it started (proc(5))."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from agent.system.command import process_of

PARENT, START = 1, 19
"""Fields of ``/proc/PID/stat`` after the name in parentheses."""
SLACK = 2.0
"""Seconds by which a clock that is being adjusted may have a process start after its own file was written."""


def daemon_of(pid_file: Path) -> int | None:
    """Return the process whose number is in `pid_file`; None: it has ended, also where another one has that number now."""
    pid = process_of(pid_file)
    try:
        written = pid_file.stat().st_mtime
        return pid if pid is not None and started_at(pid) <= written + SLACK else None
    except OSError:
        return None


def started_at(pid: int) -> float:
    """Return when a process started, in seconds since the epoch. Raises OSError."""
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + int(_stat(pid)[START]) / os.sysconf("SC_CLK_TCK")


def parents_only(pids: Iterable[int]) -> set[int]:
    """Leave out the processes whose parent is among `pids`: the workers of a server come and go."""
    found = set(pids)
    return {pid for pid in found if _parent(pid) not in found}


def are_related(pid: int, others: Iterable[int]) -> bool:
    """Whether a process is one of `others`, or a parent or child of one, over any number of generations."""
    return any(pid in _line(other) or other in _line(pid) for other in others)


def _line(pid: int) -> list[int]:
    """Return a process and those that it comes from, but for the first of the system."""
    found: list[int] = []
    while pid > 1:
        found.append(pid)
        pid = _parent(pid)
    return found


def _parent(pid: int) -> int:
    try:
        return int(_stat(pid)[PARENT])
    except OSError:
        return 0


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
