"""Threads for handlers, in lanes: who waits for the lock, or for a password check, holds up nobody who only looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from agent.api.route import Lane
from agent.errors.api import ServiceUnavailable

T = TypeVar("T")

WIDTHS: Mapping[Lane, int] = {Lane.READ: 4, Lane.CHANGE: 2, Lane.PASSWORD: 1}
"""How many at the same time. Each password check takes 64 MiB."""
WAITING: Mapping[Lane, int] = {Lane.READ: 64, Lane.CHANGE: 8, Lane.PASSWORD: 16}
"""How many more may wait."""


class Executors:
    """Use it on one event loop."""

    def __init__(self, widths: Mapping[Lane, int] = WIDTHS, waiting: Mapping[Lane, int] = WAITING) -> None:
        self._pools = {lane: ThreadPoolExecutor(width, f"api-{lane}") for lane, width in widths.items()}
        self._most = {lane: widths[lane] + waiting[lane] for lane in widths}
        self._present = dict.fromkeys(widths, 0)

    async def run(self, lane: Lane, work: Callable[[], T]) -> T:
        """Return what `work` returns, called in a thread. Raises `ServiceUnavailable` when so many wait already."""
        if self._present[lane] >= self._most[lane]:
            raise ServiceUnavailable
        self._present[lane] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pools[lane], work)
        finally:
            self._present[lane] -= 1

    def close(self) -> None:
        """Let what runs come to its end, and nothing begin any more."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
