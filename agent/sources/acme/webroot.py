"""`Webroot`: files with answers to HTTP-01 challenges, for web servers that don't know the account key's thumbprint."""

from __future__ import annotations

import contextlib
import re
import secrets
import stat
from pathlib import Path

from agent.system.clock_offsets import age
from agent.system.trust import read_regular
from agent.system.writing import write_new

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""RFC 8555 section 8.3: base64url."""
OURS = re.compile(rf"(?:{TOKEN.pattern}|\.{TOKEN.pattern}\.new)")
OLD = 86400.0
"""Seconds: no order lives that long."""


class Webroot:
    """The directory that web servers serve at ``/.well-known/acme-challenge/``. May be used from several threads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def put(self, token: str, content: str) -> None:
        """Write an answer; nobody sees a part of it. Raises OSError."""
        draft = self.directory / f".{secrets.token_urlsafe(12)}.new"
        write_new(draft, content.encode("ascii"), mode=0o644, flush=False)  # after a crash it's written again
        try:
            draft.rename(self.directory / token)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def read(self, token: str) -> str:
        """Return an answer that is written down; empty: there is none that can be read."""
        try:
            return read_regular(self.directory / token).decode("ascii")
        except (OSError, ValueError):
            return ""

    def remove(self, token: str) -> None:
        """Remove an answer; one that can't be is removed when it's old."""
        with contextlib.suppress(OSError):
            (self.directory / token).unlink()

    def sweep(self) -> None:
        """Remove what a process that died has left here."""
        with contextlib.suppress(OSError):
            for path in self.directory.iterdir():
                status = path.lstat()
                if OURS.fullmatch(path.name) and stat.S_ISREG(status.st_mode) and age(status.st_mtime) > OLD:
                    path.unlink(missing_ok=True)
