"""Streams that are open: each person has some, and administrators have places that others can't take."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator

from agent.api.access import Caller
from agent.auth import Role
from agent.errors.api import ServiceUnavailable

MOST_EACH = 8
"""Of one person or token: a browser has one for each job that it shows."""
MOST_OTHERS = 32
"""Of all who aren't administrators."""
MOST = 64


class Streams:
    """Streams of one process, counted in its event loop."""

    def __init__(self, each: int = MOST_EACH, others: int = MOST_OTHERS, most: int = MOST) -> None:
        self._each = each
        self._others = others
        self._most = most
        self._open: Counter[Caller] = Counter()

    def check(self, caller: Caller) -> None:
        """Raise `ServiceUnavailable` where there is no place for one more."""
        own = sum(count for each, count in self._open.items() if each.name == caller.name)
        others = sum(count for each, count in self._open.items() if not _is_admin(each))
        if own >= self._each or self._open.total() >= self._most or (not _is_admin(caller) and others >= self._others):
            raise ServiceUnavailable

    async def follow(self, caller: Caller, stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Yield what a stream yields, and count it as open meanwhile."""
        self._open[caller] += 1
        try:
            async for part in stream:
                yield part
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]


def _is_admin(caller: Caller) -> bool:
    return caller.person is not None and caller.person.role is Role.ADMIN
