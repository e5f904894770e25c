"""Services passed to a DNS solver for one call."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Self

from agent.errors import OrderCancelled
from agent.system.program import ProgramFailed, run_program

SLICE = 0.2
"""Seconds after which a pause looks whether the agent wants to stop."""


@dataclass(frozen=True, slots=True)
class SolverContext:
    """`agent.contract.dns_solver.DnsContext`."""

    rooted: Callable[[str], Path]
    now: Callable[[], datetime]
    stopping: Callable[[], bool] = lambda: False
    progress: Callable[[str], None] = lambda _text: None
    until: float = math.inf
    """When the call is given up, by `time.monotonic`."""

    def within(self, seconds: float) -> Self:
        """Return one for a call that may take so long."""
        return replace(self, until=min(self.until, time.monotonic() + seconds))

    @property
    def seconds_left(self) -> float:
        """Seconds until the call is given up."""
        return max(self.until - time.monotonic(), 0.0)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float = 60.0,
        environment: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run a program. Raises `ProgramFailed`, and when cancelled `OrderCancelled`."""
        try:
            seconds = min(timeout, self.seconds_left)
            return run_program(argv, stdin=stdin, timeout=seconds, stopping=self.stopping, environment=environment)
        except ProgramFailed:
            if self.cancelled:
                raise OrderCancelled("dns") from None
            raise

    @property
    def cancelled(self) -> bool:
        """Whether the agent wants to stop."""
        return self.stopping()

    def wait(self, seconds: float) -> None:
        """Sleep, but wake up when cancelled."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self.cancelled:
            time.sleep(min(left, SLICE))
