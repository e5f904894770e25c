"""Files that only root, or the caller, can have written."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

LARGEST = 4 * 1024 * 1024
"""Bytes that are read of a settings file, secret or plugin."""


@dataclass(frozen=True, slots=True)
class Distrust:
    """Why a file is not believed, and the command that cures it."""

    reason: str
    cure: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A file's content, with the state that it had when it was opened."""

    data: bytes
    status: os.stat_result

    @property
    def private(self) -> bool:
        """Whether nobody but the owner can read it."""
        return not self.status.st_mode & 0o077


def read(path: Path, *, follow: bool = True) -> Reading:
    """Read a regular file, without ever waiting for a pipe. Raises OSError."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a regular file")
        if status.st_size > LARGEST:
            raise OSError(0, f"it is larger than {LARGEST} bytes")
        return Reading(file.read(LARGEST), status)


def distrust(path: Path, status: os.stat_result, closed: int) -> Distrust | None:
    """Return why `path` is not believed: another owner than root or the caller, or a mode bit of `closed` is set."""
    if status.st_uid not in {0, os.geteuid()}:
        return Distrust(f"it belongs to the user {status.st_uid}, not to root", f"chown root {path}")
    mode = stat.S_IMODE(status.st_mode)
    if mode & closed and closed & 0o044:
        return Distrust(f"other users have access to it (mode {mode:04o})", f"chmod 600 {path}")
    if mode & closed:
        who = "every user" if mode & closed & 0o002 else "its group"
        return Distrust(f"{who} can write to it (mode {mode:04o})", f"chmod go-w {path}")
    return None
