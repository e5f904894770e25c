"""Thread pools for handlers: waiting for the lock or for a password check doesn't delay reading, nor one person another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from agent.api.access import Caller
from agent.api.fair_queue import FairQueue, Place, Ticket
from agent.api.route import Pool
from agent.auth import Role
from agent.system.networks import network_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a pool."""

    threads: int
    waiting: int
    """Calls that may wait."""
    reserved: int = 0
    """Threads for administrators alone."""


SIZES: Mapping[Pool, Size] = {
    Pool.IDENTIFY: Size(2, 128),
    Pool.READ: Size(4, 64, reserved=1),
    Pool.LOOK: Size(2, 8, reserved=1),
    Pool.CHANGE: Size(2, 8),
    Pool.PASSWORD: Size(1, 16),
    Pool.EXPORT: Size(1, 4),
}
"""Each password check takes 64 MiB."""


class Executors:
    """Thread pools of one event loop."""

    def __init__(self, sizes: Mapping[Pool, Size] = SIZES) -> None:
        self._queues = {
            pool: FairQueue(f"api-{pool}", size.threads, size.waiting, size.reserved) for pool, size in sizes.items()
        }

    async def run(self, pool: Pool, ticket: Ticket, work: Callable[[], T]) -> T:
        """Return what `work` returns, called in a thread. Raises `ServiceUnavailable` for who is last in a full queue."""
        return await self._queues[pool].run(ticket, work)

    def close(self) -> None:
        """Wait for what runs, and cancel what waits."""
        for queue in self._queues.values():
            queue.close()


def place_of(caller: Caller) -> Place:
    """Return the place of a caller: administrators first, then others by name, then who has not logged in by network."""
    if caller.person is None:
        return Place(2, (network_of(caller.address),))
    return Place(0 if caller.person.role is Role.ADMIN else 1, (caller.name,))
