"""Deadlines: instants of `time.monotonic`."""

from __future__ import annotations

import time


def remaining(deadline: float) -> float:
    """Return the seconds that are left, always more than zero. Raises `TimeoutError` when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
