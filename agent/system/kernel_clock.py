"""The machine's own clocks, and whether the kernel has its clock set by NTP."""

from __future__ import annotations

import time

from agent.system.clock_judgement import LAST, Reading

BOOT_ID = "/proc/sys/kernel/random/boot_id"
STRUCT_TIMEX = 256
"""Octets that are more than ``struct timex`` has on any machine."""
TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""


class KernelClock:
    """Reader of the machine's clocks."""

    def __init__(self) -> None:
        self._boot = boot_id()

    def __call__(self) -> Reading:
        """Return what they show now."""
        return Reading(min(time.time(), LAST - 1), time.clock_gettime(time.CLOCK_BOOTTIME), self._boot)

    def is_synchronised(self) -> bool:
        """Whether NTP keeps the clock: a client has told the kernel so, and nobody has set the clock since (adjtimex(2)).

        Who sets it by settimeofday(2) or clock_settime(2) takes this away, and so do minutes without a client.
        """
        import ctypes

        try:
            state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(STRUCT_TIMEX))
        except (OSError, AttributeError):
            return False
        return 0 <= state < TIME_ERROR


def boot_id() -> str:
    """Return the kernel's id of this boot; empty where it can't be read."""
    try:
        with open(BOOT_ID) as file:  # noqa: PTH123
            return file.read().strip()
    except OSError:
        return ""
