"""Failed logins, as they are kept: bounded in number, and beyond the end of the process that counts them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from agent.auth.login_attempt import FORGOTTEN, Attempt, Failures, Standings, budgets, wider
from agent.model.pause import TOLERANCE
from agent.store.connection import Connection
from agent.store.instants import read_known, written

MOST = 20_000
"""Rows."""
AT_ONCE = 1_000
"""Rows that go where there are too many: those with the fewest failures."""


class Throttle:
    """The table `login_failures`, beside `devices`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection, most: int = MOST) -> None:
        """`most`: rows."""
        self._database = database
        self._most = most

    def of(self, attempt: Attempt) -> Standings:
        """Return what concerns one try."""
        devices = dict(self._database.execute("select sha256, person from devices where sha256 = ?", [attempt.device]))
        known = Standings({}, devices).knows(attempt)
        keys = [each.key for each in budgets(attempt, known)]
        query = f"select key, failures, at from login_failures where key in ({', '.join('?' for _ in keys)})"  # noqa: S608
        return Standings(self._read(query, keys), devices)

    def all(self) -> Standings:
        """Return what concerns any try."""
        devices = dict(self._database.execute("select sha256, person from devices"))
        return Standings(self._read("select key, failures, at from login_failures"), devices)

    def failed(self, attempt: Attempt, now: datetime) -> None:
        """Count a failure."""
        known = self.of(attempt).knows(attempt)
        keys = [each.key for each in budgets(attempt, known)]
        if not (known or attempt.own):
            keys.append(wider(attempt))
        for key, before in ((key, self._one(key, now)) for key in keys):
            self._database.execute(
                "insert or replace into login_failures (key, failures, at) values (?, ?, ?)",
                [key, before + 1, written(now)],
            )
        self._drop(now)

    def succeeded(self, attempt: Attempt, now: datetime) -> None:
        """Forget the failures of who has got in, and of nobody else: who knows one password can't go on guessing others."""
        known = self.of(attempt).knows(attempt)
        first, *others = [each.key for each in budgets(attempt, known)]
        count = self._one(first, now)
        self._database.execute("delete from login_failures where key = ?", [first])
        for key in [*others, *(() if known or attempt.own else (wider(attempt),))]:
            self._database.execute(
                "update login_failures set failures = max(failures - ?, 0) where key = ?", [count, key]
            )

    def forget(self, name: str) -> None:
        """Forget the failures at one account, which got another password."""
        self._database.execute("delete from login_failures where key = ?", [f"own {name}"])
        query = "select key, failures from login_failures where substr(key, 1, ?) = ?"
        prefix = f"account {name} "
        for key, count in list(self._database.execute(query, [len(prefix), prefix])):
            self._database.execute("delete from login_failures where key = ?", [key])
            self._database.execute(
                "update login_failures set failures = max(failures - ?, 0) where key = ?",
                [count, f"network {key.removeprefix(prefix)}"],
            )

    def _one(self, key: str, now: datetime) -> int:
        found = self._read("select key, failures, at from login_failures where key = ?", [key])
        return found[key].present(now) if found else 0

    def _read(self, query: str, values: Iterable[str] = ()) -> Mapping[str, Failures]:
        return dict(self._database.decoded("login_failures", _failures, query, list(values)))

    def _drop(self, now: datetime) -> None:
        (count,) = self._database.execute("select count(*) from login_failures").fetchone()
        if count <= self._most:
            return
        kept = [written(now - FORGOTTEN), written(now + TOLERANCE)]
        self._database.execute("delete from login_failures where at not between ? and ?", kept)
        least = "select key from login_failures order by failures, at limit ?"
        self._database.execute(f"delete from login_failures where key in ({least})", [min(AT_ONCE, count // 2)])  # noqa: S608


def _failures(row: dict[str, Any]) -> tuple[str, Failures]:
    return row["key"], Failures(int(row["failures"]), read_known(row["at"]))
