"""Mark beside the API's socket while its process starts: who waits for an answer sees that it doesn't hang.

Its instant is the time since boot: nobody sets that.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from agent.system.layout import Layout


def mark(layout: Layout) -> None:
    """Say that the process starts. That no such mark can be made stops nothing."""
    path = _path(layout)
    try:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        os.utime(descriptor, (since_boot, since_boot))
        os.close(descriptor)
    except OSError:
        return


def unmark(layout: Layout) -> None:
    """Say that the process answers."""
    try:
        _path(layout).unlink(missing_ok=True)
    except OSError:
        return


def _path(layout: Layout) -> Path:
    return layout.api.with_name("api.starting")
