"""Lock files (flock) in ``private/``, which nobody else may open: one process at a time plans, stores and deploys."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from agent.system.paths import PRIVATE, RUN
from agent.system.processes import command_line, has_open, user_of
from agent.system.writing import make_state

TYPE_CHECKING = False  # `typing` would stay in the memory of an agent that waits; so would the errors
if TYPE_CHECKING:
    from agent.errors import AgentError

POLL_INTERVAL = 0.05
"""Seconds between two attempts to get the lock."""
LockError = Callable[[str, str], "AgentError"]
"""`(path, holder) -> error`."""
FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@contextmanager
def held(
    path: Path,
    *,
    wait: float,
    pause: Callable[[float], object] = time.sleep,
    refusal: LockError | None = None,
    looking: bool = False,
) -> Iterator[None]:
    """Hold the lock. Raises `refusal` (default: `LockHeld`) when another process has it for more than `wait` seconds.

    `looking`: not even the time of the file is changed, and where there is none nobody holds it.
    """
    deadline = time.monotonic() + wait
    with contextlib.ExitStack() as locks:
        for place, take in ((path, _take_present if looking else _take), (_former(path), _take_present)):
            while not take(place, locks):
                if time.monotonic() >= deadline:
                    holder = _holder(place, _holders(place))
                    raise (refusal or _lock_held)(str(path), holder.title if holder else "")
                pause(POLL_INTERVAL)
        yield


def _lock_held(path: str, holder: str) -> AgentError:
    from agent.errors.store import LockHeld

    return LockHeld(path, holder)


def _take(path: Path, locks: contextlib.ExitStack) -> bool:
    """Take the lock until `locks` is closed, unless another process has it. Raises `StateUnwritable`."""
    try:
        make_state(path.parent)
        descriptor = os.open(path, FLAGS | os.O_CREAT, 0o600)
        with contextlib.ExitStack() as opened:
            opened.callback(_release, descriptor, os.getpid())
            if not _locked(descriptor) or not _is_at(descriptor, path):
                return False
            os.fchmod(descriptor, 0o600)
            os.utime(descriptor)  # when it was taken
            locks.push(opened.pop_all())
    except OSError as error:
        from agent.system.obstacles import state_unwritable

        raise state_unwritable(path, error) from error
    return True


def _take_present(path: Path, locks: contextlib.ExitStack) -> bool:
    """Take the lock where there is one, and change nothing of it.

    Releases before had it in ``run/``, and an agent of theirs may run until it is restarted. Every user could open that one,
    so only another process of the agent's own user is waited for.
    """
    try:
        descriptor = os.open(path, FLAGS & ~os.O_RDWR)
    except OSError:
        return True
    if _locked(descriptor):
        locks.callback(_release, descriptor, os.getpid())
        return True
    os.close(descriptor)
    return not any(_is_ours(pid) for pid in _holders(path))


def _former(path: Path) -> Path:
    return path.parents[len(Path(PRIVATE).parts)] / RUN / path.name


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _release(descriptor: int, holder: int) -> None:
    """Give a lock back, also where a process that was forked meanwhile has the descriptor too; that one gives back nothing."""
    if os.getpid() == holder:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the file that was opened is still the one at `path`: the lock of one that was removed keeps nobody away."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


class Holder:
    """Process that holds a lock."""

    __slots__ = ("pid", "since", "title")

    def __init__(self, pid: int, title: str, since: datetime) -> None:
        self.pid = pid
        self.title = title
        self.since = since
        """When it got the lock, UTC."""


def holder_of(path: Path) -> Holder | None:
    """Return who holds a lock, without asking for it: that would keep others from getting it. None: nobody, or not known.

    The kernel knows; what is written anywhere may be of a process that has ended.
    """
    former = _former(path)
    return _holder(path, _holders(path)) or _holder(former, filter(_is_ours, _holders(former)))


def times_of(path: Path) -> Iterator[float]:
    """Yield when a lock was taken last, in seconds since the epoch: at its path, and at that of earlier releases."""
    for place in (path, _former(path)):
        with contextlib.suppress(OSError):
            yield place.stat().st_mtime


def _holder(path: Path, pids: Iterable[int]) -> Holder | None:
    for pid in pids:
        with contextlib.suppress(OSError):
            since = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            return Holder(pid, f"pid {pid}, {command_line(pid)}", since)
    return None


def _holders(path: Path) -> Iterator[int]:
    """Yield the processes that hold a file's lock (proc(5), ``/proc/locks``).

    Btrfs and overlayfs show other device numbers there than stat(2) gives: then what the process has open decides.
    """
    try:
        status = path.stat()
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    for words in map(str.split, lines):
        if words[1] == "FLOCK" and words[5].rpartition(":")[2] == str(status.st_ino):
            pid = int(words[4])
            if words[5].startswith(f"{device}:") or has_open(pid, status):
                yield pid


def _is_ours(pid: int) -> bool:
    return user_of(pid) in {0, os.geteuid()}
