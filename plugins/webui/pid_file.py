"""Pid file of the web interface: the agent announces a new generation to the process that it names."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

PID_FILE = "/run/chainwright-web/webui.pid"
"""In a directory that belongs to the process's user."""


def write_pid(path: Path) -> None:
    """Write this process's number. Raises `PidFileUnwritable`."""
    from plugins.webui.errors import PidFileUnwritable

    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):  # below --root there is nobody else to make it
        path.parent.mkdir()
    try:
        draft.write_text(f"{os.getpid()}\n")
        draft.replace(path)
    except OSError as error:
        raise PidFileUnwritable(path, error.strerror or str(error)) from error


def remove_pid(path: Path) -> None:
    """Remove our own pid file: a successor may have written its own already."""
    with contextlib.suppress(OSError):
        if path.read_text() == f"{os.getpid()}\n":
            path.unlink()
