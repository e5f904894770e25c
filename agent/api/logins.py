"""Logins before their turn: what is held back is refused at once, and what is most likely somebody's own login comes first.

What is known of failures and devices is in memory for this, as the store had it at the last try. When the turn has come, the
store decides.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from agent.auth.login_attempt import Attempt, Standings, wider
from agent.errors import AgentError
from agent.errors.auth import InvalidCredentials, PasswordWrong

T = TypeVar("T")
LINE_EVERY = 60.0
"""Seconds between two lines of the log about failed logins."""
MOST_NETWORKS = 1000

log = logging.getLogger("chainwright.api")


class Logins:
    """Tries of passwords in one process."""

    def __init__(self, load: Callable[[], Standings], clock: Callable[[], datetime]) -> None:
        """`load` reads from the store what is known; it is called in the thread of the try."""
        self._load = load
        self._clock = clock
        self._failed = FailedLogins()
        self.standings = Standings({}, {})

    def ticket(self, attempt: Attempt) -> LoginTicket:
        """Return the place of a try in the queue. Raises `TooManyLogins` for one that is held back."""
        self.standings.check(attempt, self._clock())
        return LoginTicket(attempt, self)

    def work(self, handler: Callable[[], T]) -> T:
        """Call the handler, in its thread, and take note of what is known afterwards."""
        try:
            return handler()
        finally:
            try:
                self.standings = self._load()
            except AgentError:
                log.warning("failed logins can't be read; the queue goes by those that were known before")

    @contextmanager
    def told(self, attempt: Attempt) -> Iterator[None]:
        """Tell the log where what happens inside is refused for a wrong password. Use it in the event loop."""
        try:
            yield
        except (InvalidCredentials, PasswordWrong):
            self._failed.note(attempt.network)
            raise

    def now(self) -> datetime:
        """Return the present instant."""
        return self._clock()


class LoginTicket:
    """Place of a try in the queue, by what is known when it is compared with others."""

    def __init__(self, attempt: Attempt, logins: Logins) -> None:
        self._attempt = attempt
        self._logins = logins

    @property
    def grade(self) -> int:
        """0 for somebody who is logged in, and for a browser from which the account has logged in before."""
        return self._logins.standings.grade(self._attempt)

    @property
    def keys(self) -> tuple[str, ...]:
        """The account for these, else the network and its neighbours."""
        attempt = self._attempt
        if self.grade == 0:
            return (f"account {attempt.name}",) * 2
        return attempt.network, wider(attempt)

    @property
    def penalties(self) -> tuple[int, ...]:
        """Failures; none for these, so that who mistypes once doesn't come after somebody who never does."""
        if self.grade == 0:
            return 0, 0
        return self._logins.standings.penalties(self._attempt, self._logins.now())


class FailedLogins:
    """Lines of the log about failed logins: one a minute, whatever their number."""

    def __init__(self, seconds: float = LINE_EVERY) -> None:
        self._seconds = seconds
        self._count = 0
        self._networks: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def note(self, network: str) -> None:
        """Count one; call it in the event loop."""
        self._count += 1
        if len(self._networks) < MOST_NETWORKS:
            self._networks.add(network)
        if self._timer is None:
            self._write()

    def _write(self) -> None:
        self._timer = None
        if self._count:
            where = self._networks.pop() if len(self._networks) == 1 else f"{len(self._networks)} networks"
            log.warning("%d %s failed, from %s", self._count, "login has" if self._count == 1 else "logins have", where)
            self._count = 0
            self._networks.clear()
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._write)
