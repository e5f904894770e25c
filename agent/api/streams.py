"""Streams that are open: each person has some, and administrators have places that others can't take."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

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

    @contextmanager
    def place(self, caller: Caller) -> Iterator[None]:
        """Count one as open meanwhile. Raises as `check` does."""
        self.check(caller)
        self._open[caller] += 1
        try:
            yield
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]


class Stream(StreamingResponse):
    """Answer that has a place among the streams from when it is made, whether or not its client stays to read it."""

    def __init__(self, place: AbstractContextManager[None], content: AsyncIterator[bytes], *options: Any) -> None:
        """Raises `ServiceUnavailable`."""
        super().__init__(content, *options)
        self._place = ExitStack()
        self._place.enter_context(place)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and free its place."""
        with self._place:
            await super().__call__(scope, receive, send)


def _is_admin(caller: Caller) -> bool:
    return caller.person is not None and caller.person.role is Role.ADMIN
