"""Thread pools for handlers: waiting for the lock or for a password check doesn't delay reading."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from agent.api.route import Pool
from agent.errors.api import ServiceUnavailable

T = TypeVar("T")

WORKERS: Mapping[Pool, int] = {Pool.READ: 4, Pool.CHANGE: 2, Pool.PASSWORD: 1, Pool.EXPORT: 1}
"""Threads. Each password check takes 64 MiB."""
QUEUED: Mapping[Pool, int] = {Pool.READ: 64, Pool.CHANGE: 8, Pool.PASSWORD: 16, Pool.EXPORT: 2}
"""Calls that may wait."""


class Executors:
    """Thread pools of one event loop."""

    def __init__(self, workers: Mapping[Pool, int] = WORKERS, queued: Mapping[Pool, int] = QUEUED) -> None:
        self._pools = {pool: ThreadPoolExecutor(width, f"api-{pool}") for pool, width in workers.items()}
        self._most = {pool: workers[pool] + queued[pool] for pool in workers}
        self._present = dict.fromkeys(workers, 0)

    async def run(self, pool: Pool, work: Callable[[], T]) -> T:
        """Return what `work` returns, called in a thread. Raises `ServiceUnavailable` when too many wait already."""
        if self._present[pool] >= self._most[pool]:
            raise ServiceUnavailable
        self._present[pool] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pools[pool], work)
        finally:
            self._present[pool] -= 1

    def close(self) -> None:
        """Wait for what runs, and cancel what waits."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
