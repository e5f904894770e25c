"""Ledger of what sources did when, so that none of them runs into a limit of its CA."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from agent.store.connection import Connection
from agent.store.instants import read_known, written

KEPT = timedelta(days=8)
"""The longest window of a public CA's limits is a week."""


class Ledger:
    """The table `ledger`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def note(self, source: str, kind: str, subjects: Iterable[str], now: datetime) -> None:
        """Write down that `kind` was done to each of `subjects`."""
        for subject in subjects:
            self._database.execute(
                "insert into ledger (source, kind, subject, at) values (?, ?, ?, ?)",
                [source, kind, subject, written(now)],
            )

    def instants(self, source: str, kind: str, subject: str, since: datetime) -> list[datetime]:
        """Return when `kind` was done to `subject` since then, the earliest first."""
        query = "select rowid, at from ledger where source = ? and kind = ? and subject = ? and at >= ? order by at"
        values = [source, kind, subject, written(since)]
        return self._database.decoded("ledger", lambda row: read_known(row["at"]), query, values)

    def trim(self, now: datetime) -> None:
        """Drop what no limit counts any more."""
        self._database.execute("delete from ledger where at < ?", [written(now - KEPT)])
