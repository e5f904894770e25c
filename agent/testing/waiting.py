"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], object], *, seconds: float = 20.0, what: str | Callable[[], str] = "") -> None:
    """Wait for a condition, in short steps, and only so long. `what`: what is waited for, told when it doesn't come.

    Raises AssertionError.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {(what() if callable(what) else what) or condition}")
        time.sleep(0.02)
