"""By how much the clock was ahead of the time since boot: so the instants of files can be compared with those of processes.

A process's start is told in time since boot, a file's in that of the clock, which somebody may have set between the two: a
machine without a battery boots in 1970.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from agent.system.paths import RUN
from agent.system.trust import read
from agent.system.writing import replace

MOST = 20
"""Settings of the clock that are remembered."""
SAME = 1.0
"""Seconds: so much a clock that is being adjusted may drift from what was noted."""
MOST_BYTES = 4096


def clock_offset() -> float:
    """Return what the clock is ahead of the time since boot, in seconds: when the machine was booted, by the present clock."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def known_offsets(root: Path) -> Iterator[float]:
    """Yield the present one, then those that were noted since boot: they are read only where that doesn't fit."""
    yield clock_offset()
    yield from _noted(root)


def note_offset(root: Path) -> None:
    """Note the present one, where the clock was set since. What can't be noted is left."""
    noted, present = _noted(root), clock_offset()
    if any(abs(present - each) < SAME for each in noted):
        return
    lines = [_boot(), *(repr(each) for each in (*noted[1 - MOST :], present))]
    try:
        replace(_path(root), "\n".join(lines).encode(), mode=0o600)
    except OSError:
        return


def _noted(root: Path) -> list[float]:
    try:
        boot, *lines = read(_path(root), root=root, largest=MOST_BYTES, follow=False).data.decode().split("\n")
        return [float(each) for each in lines] if boot == _boot() else []
    except (OSError, ValueError):
        return []


def _path(root: Path) -> Path:
    return root / RUN / "clock"


def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:  # noqa: PTH123
        return file.read().strip()
