"""Reading of files that only root or the caller can have written."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

LARGEST = 4 * 1024 * 1024
"""Bytes that are read of a settings file, secret or plugin."""


@dataclass(frozen=True, slots=True)
class UntrustedFile:
    """Reason why a file is not trusted, and the command that fixes it."""

    reason: str
    fix: str


@dataclass(frozen=True, slots=True)
class FileContent:
    """Content of a file, with its status when it was opened."""

    data: bytes
    status: os.stat_result

    @property
    def private(self) -> bool:
        """Whether nobody but the owner can read it."""
        return not self.status.st_mode & 0o077


def read(path: Path, *, follow: bool = True) -> FileContent:
    """Read a regular file; a pipe is an error, never waited for. Raises OSError."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a regular file")
        if status.st_size > LARGEST:
            raise OSError(0, f"it is larger than {LARGEST} bytes")
        return FileContent(file.read(LARGEST), status)


def why_untrusted(path: Path, status: os.stat_result, closed: int) -> UntrustedFile | None:
    """Return why `path` is not trusted: its owner is neither root nor the caller, or it has a mode bit of `closed`."""
    if status.st_uid not in {0, os.geteuid()}:
        return UntrustedFile(f"it belongs to the user {status.st_uid}, not to root", f"chown root {path}")
    mode = stat.S_IMODE(status.st_mode)
    if mode & closed and closed & 0o044:
        return UntrustedFile(f"other users have access to it (mode {mode:04o})", f"chmod 600 {path}")
    if mode & closed:
        who = "every user" if mode & closed & 0o002 else "its group"
        return UntrustedFile(f"{who} can write to it (mode {mode:04o})", f"chmod go-w {path}")
    return None
