"""Processes that are known by a number: whether it is still the same one, and when it started (proc(5))."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from agent.system.command import process_of

PARENT, START = 1, 19
"""Fields of ``/proc/PID/stat`` after the name in parentheses."""
SCRIPTS = ("chainwright", "config-apply")
SHOWN = 100
"""Characters of a command line that a sentence has room for."""
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
    return booted + ticks_of(pid) / os.sysconf("SC_CLK_TCK")


def ticks_of(pid: int) -> int:
    """Return when a process started, in clock ticks since boot: with its number, that is one process. Raises OSError."""
    return int(_stat(pid)[START])


def command_line(pid: int) -> str:
    """Return how a process was called, for people: the agent's own commands by their names; empty: it has ended."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
    except OSError:
        return ""
    text = " ".join(_as_typed(words))
    return "".join(each if each.isprintable() else "?" for each in text)[:SHOWN]


def _as_typed(words: list[str]) -> list[str]:
    """Return the words without the interpreter, where it is the agent that it runs."""
    for number, word in enumerate(words):
        if word == "-m" and words[number + 1 : number + 2] == ["agent"]:
            return ["chainwright", *_without_root(words[number + 2 :])]
        if Path(word).name in SCRIPTS:
            return [Path(word).name, *_without_root(words[number + 1 :])]
    return [Path(words[0]).name, *words[1:]]


def _without_root(words: list[str]) -> list[str]:
    """Return the words without ``--root DIR``: a lock says by its own path which appliance it is."""
    before = ["", *words]
    return [word for word, last in zip(words, before, strict=False) if word != "--root" and last != "--root"]


def user_of(pid: int) -> int | None:
    """Return the real user of a process; None: it has ended, or has changed users for a while."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    (users,) = (line.split()[1:] for line in lines if line.startswith("Uid:"))
    return int(users[0]) if len(set(users)) == 1 else None


def has_open(pid: int, file: os.stat_result) -> bool:
    """Whether a process has a file open. False where this user may not see it."""
    directory = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):  # noqa: PTH208
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                if os.path.samestat(os.stat(f"{directory}/{name}"), file):  # noqa: PTH116
                    return True
    return False


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
