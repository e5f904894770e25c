"""By how much the clock was ahead of the time since boot: so the instants of files can be compared with those of processes.

A process's start is told in time since boot, a file's in that of the clock, which somebody may have set between the two: a
machine without a battery boots in 1970. The settings of the clock are part of what is remembered of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from agent.system.clock_judgement import Reading
from agent.system.clock_memory import ClockMemory
from agent.system.kernel_clock import KernelClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

MOST = 20
"""Settings of the clock that are remembered."""
SAME = 1.0
"""Seconds: so much a clock that is being adjusted may drift from what was noted."""


def clock_offset() -> float:
    """Return what the clock is ahead of the time since boot, in seconds: when the machine was booted, by the present clock."""
    return _offset(KernelClock()())


def known_offsets(root: str | PathLike[str]) -> Iterator[float]:
    """Yield the present one, then those that were noted since boot: they are read only where that doesn't fit."""
    reading = KernelClock()()
    yield _offset(reading)
    memory = ClockMemory(root).read()
    if memory is not None and memory.boot == reading.boot:
        yield from memory.offsets


def with_offset(noted: tuple[float, ...], reading: Reading) -> tuple[float, ...]:
    """Return the settings that are remembered, with the present one where the clock was set since."""
    present = _offset(reading)
    if any(abs(present - each) < SAME for each in noted):
        return noted
    return (*noted[1 - MOST :], present)


def age(written: float, root: str | PathLike[str] | None = None) -> float:
    """Return for how many seconds at least a file has not been changed, which says itself that it was `written`.

    `root`: of the appliance that remembers how the clock was set since; None: it isn't asked. One of the future is as old.
    """
    reading = KernelClock()()
    offsets = known_offsets(root) if root else [_offset(reading)]
    return min(abs(reading.since_boot - (written - offset)) for offset in offsets)


def _offset(reading: Reading) -> float:
    return reading.wall - reading.since_boot
