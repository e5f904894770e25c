"""Processes by their numbers: which live, whose children they are, and the end of all."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from support.waiting import until


def alive(pid: int | None) -> bool:
    """Whether a process lives; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int) -> list[int]:
    """Return the children of all threads of a process; none when it has ended."""
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                found += map(int, (task / "children").read_text().split())
    return found


def inspections_of(pid: int) -> list[int]:
    """Return the processes of inspections that a process has started."""
    return _children_with(pid, b"agent.inspection")


def pass_processes(pid: int) -> list[int]:
    """Return the processes that make passes, of the agent with this number."""
    return _children_with(pid, b"agent.daemon\0") + _children_with(pid, b"\0pass\0")


def _children_with(pid: int, word: bytes) -> list[int]:
    """Return the children of a process with `word` in their command line."""
    found = []
    for child in children(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            found += [child] if word in Path(f"/proc/{child}/cmdline").read_bytes() else []
    return found


def descendants(pid: int) -> list[int]:
    """Return the children of a process, and theirs."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


def kill_all(pids: Iterable[int | None]) -> None:
    """Kill processes, with all below them, and wait until they have ended; stopped ones too (signal(7))."""
    every = [each for pid in pids if pid for each in (pid, *descendants(pid))]
    for pid in every:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not any(map(alive, every)), what=f"the end of {every}")
