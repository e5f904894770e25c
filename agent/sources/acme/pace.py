"""How many requests are under way at one CA: fewer when it has trouble, more when it has none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent.errors import OrderCancelled
from agent.sources.acme.failures import CaUnreachable, Trouble

START = 8
MOST = 16
"""Requests at a time; Let's Encrypt takes 300 new orders a second from one address, and 20 in its staging environment."""
SUCCESSES = 10
"""So many answers in a row without trouble allow one request more."""
CAUTION = 10
"""So many times more are needed to come back to where there was trouble: some CAs never bear two requests of one account."""
SHORT_WAIT = 10.0
"""Seconds. What a CA asks to wait for longer is an error, so that nobody's thread sleeps through it."""
LONGEST_HOLD = 86400.0
"""Seconds; afterwards it's asked whether it still wants that."""
GLANCE = 0.2
"""Seconds between two looks at whether the agent wants to stop."""


def never() -> bool:
    """Nobody wants to stop."""
    return False


class Pace:
    """Shared by all requests of one account (additive increase, multiplicative decrease). Any thread may use it."""

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, *, start: int = START, most: int = MOST
    ) -> None:
        self.limit = start
        """Requests that may be under way now."""
        self._most = most
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._flying = 0
        self._alone = False
        self._smooth = 0
        self._too_many = most + 1
        self._slowed_at = -1.0
        self._hold_until = 0.0
        self._hold_status = 0
        self._hold_url = ""

    @contextmanager
    def slot(self, cancelled: Callable[[], bool] = never) -> Iterator[None]:
        """One request. Waits for its turn; raises `CaUnreachable` while the CA asks to wait long, and `OrderCancelled`."""
        _stop_if(cancelled)
        with self._changed:
            while self._alone or self._flying >= self.limit or self._held():
                self._glance(cancelled)
            self._flying += 1
        try:
            yield
        finally:
            with self._changed:
                self._flying -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, cancelled: Callable[[], bool] = never) -> Iterator[None]:
        """One request while no other is under way: those that follow are signed with another key. Raises like `slot`."""
        with self._changed:
            while self._alone or self._held():
                self._glance(cancelled)
            self._alone = True
            try:
                while self._flying:
                    self._glance(cancelled)
            except OrderCancelled:
                self._alone = False
                raise
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()

    def answered(self, status: int, began: float) -> None:
        """Learn from an answer to a request that began at that instant of the monotonic clock."""
        with self._changed:
            if status == 429 or status >= 500:
                self._slow_down(began)
            else:
                self._speed_up()
            self._changed.notify_all()

    def hold(self, seconds: float, status: int, url: str) -> None:
        """Begin nothing for so many seconds: the CA as a whole asks for it."""
        with self._changed:
            self._hold_until = max(self._hold_until, self._monotonic() + min(seconds, LONGEST_HOLD))
            self._hold_status = status
            self._hold_url = url

    def _speed_up(self) -> None:
        self._smooth += 1
        needed = SUCCESSES * (CAUTION if self.limit + 1 >= self._too_many else 1)
        if self._smooth >= needed and self.limit < self._most:
            self.limit += 1
            self._smooth = 0
            if self.limit >= self._too_many:
                self._too_many = self._most + 1

    def _slow_down(self, began: float) -> None:
        """Once for all that was under way when the trouble began, not once for each."""
        self._smooth = 0
        if began > self._slowed_at:
            self._too_many = self.limit
            self.limit = max(self.limit // 2, 1)
            self._slowed_at = self._monotonic()

    def _held(self) -> bool:
        left = self._hold_until - self._monotonic()
        if left > SHORT_WAIT:
            raise CaUnreachable(
                "it asks to wait",
                url=self._hold_url,
                trouble=Trouble.BUSY,
                status=self._hold_status,
                retry_after=left,
            )
        return left > 0

    def _glance(self, cancelled: Callable[[], bool]) -> None:
        self._changed.wait(GLANCE)
        _stop_if(cancelled)


def _stop_if(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise OrderCancelled("acme")
