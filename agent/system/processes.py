"""Processes that are known by a number: whether it is still the same one, and when it started (proc(5))."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from agent.system.clock_offsets import clock_offset, known_offsets
from agent.system.trust import TOP, FileContent, Untrusted, read

ZOMBIE = "Z"
PARENT, START = 1, 19
"""Fields of ``/proc/PID/stat`` after the name in parentheses."""
SCRIPTS = ("chainwright", "config-apply")
SHOWN = 100
"""Characters of a command line that a sentence has room for."""
MOST_BYTES = 4096
"""Of a pid file: some have more lines than that with the number."""
DIGITS = 10
SLACK = 2.0
"""Seconds by which a clock that is being adjusted may have a process start after its own file was written."""


class NoProcess(Exception):
    """Absence of the process that a pid file means. Its text is the reason, a clause."""


def process_of(pid_file: Path, root: Path = TOP) -> int | None:
    """Return the process of the daemon that wrote `pid_file`; None: it has ended, also where another one has its number now."""
    try:
        with handle_of(pid_file, root) as (pid, _):
            return pid
    except NoProcess:
        return None


@contextlib.contextmanager
def handle_of(pid_file: Path, root: Path = TOP) -> Iterator[tuple[int, int]]:
    """Give the process of a pid file with a pidfd, which never comes to mean another process. Raises `NoProcess`.

    `root`: of the appliance. Who can write the file can have any number in it: so it is a regular file of root's or the
    caller's, or of one user, whose own processes only it can name. A process that is younger than the file is another one.
    """
    try:
        content = read(pid_file, root=root, largest=MOST_BYTES, follow=False, of_a_user=True)
        pid = _number(content.data)
        handle = os.pidfd_open(pid)
    except Untrusted as error:
        raise NoProcess(f"{pid_file} is not believed: {error.strerror}") from error
    except (OSError, ValueError, IndexError) as error:
        raise NoProcess(_why_not(error, pid_file)) from error
    try:
        _check_identity(pid, content, pid_file, root)
        yield pid, handle
    finally:
        os.close(handle)


def _why_not(error: Exception, pid_file: Path) -> str:
    if isinstance(error, OSError) and not error.errno:
        return f"{pid_file} is not believed: {error.strerror}"
    return f"no process has the number in {pid_file}"


def _number(text: bytes) -> int:
    """Return the first word as a number. Raises ValueError and IndexError."""
    word = text.split()[0]
    if not word.isdigit() or len(word) > DIGITS:
        raise ValueError
    return int(word)


def _check_identity(pid: int, content: FileContent, pid_file: Path, root: Path) -> None:
    try:
        words = _stat(pid)
    except OSError:
        words = [ZOMBIE]
    if words[0] == ZOMBIE:  # in many containers nobody waits for it, and its number stays
        raise NoProcess(f"no process has the number in {pid_file}")
    if content.writers and user_of(pid) not in content.writers:
        raise NoProcess(f"{pid_file} names pid {pid}, which isn't of the user who can write that file")
    started = int(words[START]) / os.sysconf("SC_CLK_TCK")
    if all(started > content.status.st_mtime - offset + SLACK for offset in known_offsets(root)):
        raise NoProcess(f"{pid_file} names pid {pid}, which is another process: it started later")


def started_at(pid: int) -> float:
    """Return when a process started, in seconds since the epoch. Raises OSError."""
    return clock_offset() + ticks_of(pid) / os.sysconf("SC_CLK_TCK")


def ticks_of(pid: int) -> int:
    """Return when a process started, in clock ticks since boot: with its number, that is one process. Raises OSError."""
    return int(_stat(pid)[START])


def is_running(pid: int, ticks: int | None = None) -> bool:
    """Whether a process runs, the one that started then."""
    try:
        words = _stat(pid)
    except OSError:
        return False
    return words[0] != ZOMBIE and ticks in {None, int(words[START])}


def command_line(pid: int) -> str:
    """Return how a process was called, for people: the agent's own commands by their names; empty: it has ended."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
    except OSError:
        return ""
    text = " ".join(_as_typed(words))
    return "".join(each if each.isprintable() else "?" for each in text)[:SHOWN]


def is_called_with(pid: int, text: str) -> bool:
    """Whether the command line of a process has `text` in it, as the process shows it."""
    try:
        return os.fsencode(text) in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


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
