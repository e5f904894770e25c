"""A try of a password: in which budgets it is counted, and how long the next one has to wait.

Guesses are slowed down by where they come from, and never by the account that they are about alone: a delay that strangers can
bring about would lock out who knows the password. A browser from which the account has logged in before has a budget of its own,
and so has a person who is logged in already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.errors.auth import TooManyLogins
from agent.system.networks import is_near, network_of, wider_network_of

FORGOTTEN = timedelta(hours=24)
"""After the last failure."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who is said to try, and from where."""

    name: str
    address: str
    device: str = ""
    """Digest of what the browser shows as its own."""
    own: bool = False
    """The person is logged in already, and types the own password once more."""

    @property
    def network(self) -> str:
        """The network, a /64 for IPv6."""
        return network_of(self.address)


@dataclass(frozen=True, slots=True)
class Budget:
    """Failures that are free, and how long the delay gets after them."""

    key: str
    free: int
    longest: timedelta

    def next_at(self, failures: Failures, now: datetime) -> datetime | None:
        """Return when the next try is possible; None: now."""
        count = failures.present(now)
        if count < self.free:
            return None
        at = failures.at + min(timedelta(seconds=1 << min(count - self.free, 20)), self.longest)
        return at if failures.at <= now < at else None


@dataclass(frozen=True, slots=True)
class Failures:
    """Failures in a row, and when the last one was."""

    count: int
    at: datetime

    def present(self, now: datetime) -> int:
        """Return how many still count. An instant in the future says that the clock was set back, and nothing of a delay."""
        return self.count if timedelta() <= now - self.at < FORGOTTEN else 0


def budgets(attempt: Attempt, known: bool) -> tuple[Budget, ...]:
    """Return the budgets that a try is counted in. `known`: the account has logged in from this browser before."""
    if attempt.own:
        return (Budget(f"own {attempt.name}", 10, timedelta(minutes=1)),)
    if known:
        return (Budget(f"device {attempt.device}", 10, timedelta(minutes=1)),)
    return (
        Budget(f"account {attempt.name} {attempt.network}", 5, timedelta(minutes=5)),
        Budget(f"network {attempt.network}", 20, timedelta(minutes=5)),
    )


def wider(attempt: Attempt) -> str:
    """Return the key of failures of neighbours: they delay nothing, and come last where many wait."""
    return f"wider {wider_network_of(attempt.address)}"


@dataclass(frozen=True, slots=True)
class Standings:
    """Failures by key, and devices with their accounts: all, or those that concern one try."""

    failures: Mapping[str, Failures]
    devices: Mapping[str, str]

    def knows(self, attempt: Attempt) -> bool:
        """Whether the account has logged in from this browser before."""
        return bool(attempt.device) and self.devices.get(attempt.device) == attempt.name

    def check(self, attempt: Attempt, now: datetime) -> None:
        """Raise `TooManyLogins` if a try is not even to be looked at."""
        known = [(each, self.failures.get(each.key)) for each in budgets(attempt, self.knows(attempt))]
        waits = [at for each, failures in known if failures and (at := each.next_at(failures, now))]
        if waits:
            raise TooManyLogins(max(waits))

    def grade(self, attempt: Attempt) -> int:
        """Return how far to the front of a queue a try belongs: 0 is the front."""
        if attempt.own or self.knows(attempt):
            return 0
        return 1 if is_near(attempt.address) else 2

    def penalties(self, attempt: Attempt, now: datetime) -> tuple[int, int]:
        """Return the failures of its budgets, and of its neighbours."""
        known = self.knows(attempt)
        own = max(self._present(each.key, now) for each in budgets(attempt, known))
        return own, 0 if known or attempt.own else self._present(wider(attempt), now)

    def _present(self, key: str, now: datetime) -> int:
        failures = self.failures.get(key)
        return failures.present(now) if failures else 0
