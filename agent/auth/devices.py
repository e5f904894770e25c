"""Devices: browsers from which an account has logged in before. A device opens nothing; it has its own budget of failures."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent.auth import bearer_tokens
from agent.model.pause import TOLERANCE
from agent.store.connection import Connection
from agent.store.instants import written

MOST = 10
"""Of an account; the one that was away for longest goes first."""
KEPT = timedelta(days=180)
"""Since the last login."""


class Devices:
    """The table `devices`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def remember(self, person: str, shown: str, now: datetime) -> str:
        """Note a login. Return what the browser is to show from now on, which isn't kept; empty: what it shows already."""
        kept = [written(now - KEPT), written(now + TOLERANCE)]  # one from the future would outlast all others
        self._database.execute("delete from devices where used_at not between ? and ?", kept)
        known = self._database.execute(
            "update devices set used_at = ? where sha256 = ? and person = ?",
            [written(now), bearer_tokens.digest(shown), person],
        )
        if known.rowcount:
            return ""
        text = bearer_tokens.make(bearer_tokens.DEVICE_PREFIX)
        self._database.execute(
            "insert into devices (sha256, person, made_at, used_at) values (?, ?, ?, ?)",
            [bearer_tokens.digest(text), person, written(now), written(now)],
        )
        last = "select sha256 from devices where person = ? order by used_at desc, rowid desc limit -1 offset ?"
        self._database.execute(f"delete from devices where sha256 in ({last})", [person, MOST])  # noqa: S608
        return text

    def forget(self, person: str) -> None:
        """Forget the devices of an account."""
        self._database.execute("delete from devices where person = ?", [person])
