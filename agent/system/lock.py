"""Lock file (flock): one process at a time plans, stores and deploys."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.errors import AgentError
from agent.errors.store import LockHeld, StateUnwritable

POLL_INTERVAL = 0.05
"""Seconds between two attempts to get the lock."""
LockError = Callable[[str, str], AgentError]
"""`(path, holder) -> error`."""


@contextmanager
def held(
    path: Path,
    *,
    wait: float,
    who: str,
    pause: Callable[[float], object] = time.sleep,
    refusal: LockError = LockHeld,
) -> Iterator[None]:
    """Hold the lock. Raises `refusal` when another process has it for more than `wait` seconds."""
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise StateUnwritable(str(path), (error.strerror or str(error)).lower()) from error
    try:
        _acquire(descriptor, path, time.monotonic() + wait, pause, refusal)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {who}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)  # releases the lock


def _acquire(
    descriptor: int, path: Path, deadline: float, pause: Callable[[float], object], refusal: LockError
) -> None:
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() >= deadline:
            raise refusal(str(path), _holder(path))
        pause(POLL_INTERVAL)


def _holder(path: Path) -> str:
    """Return the last process that wrote the lock file, for messages."""
    pid, _, who = path.read_text(errors="replace").strip().partition(" ")
    return f"pid {pid}, {who}" if pid and who else ""


@dataclass(frozen=True, slots=True)
class Holder:
    """Process that holds a lock."""

    title: str
    since: datetime
    """When it got the lock, UTC."""


def holder_of(path: Path) -> Holder | None:
    """Return who holds a lock, without asking for it: that would keep others from getting it. None: nobody, or not known."""
    try:
        status = path.stat()
        locks = Path("/proc/locks").read_text()
    except OSError:
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    held = any(line.split()[1:2] == ["FLOCK"] and device in line.split() for line in locks.splitlines())
    return Holder(_holder(path), datetime.fromtimestamp(status.st_mtime, UTC)) if held else None
