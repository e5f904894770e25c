"""The record of changes: who did what, from where. Rows are only ever added; the oldest go when there are very many."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agent.auth.person import Actor, Audit
from agent.store.connection import Connection
from agent.store.instants import read_known, written

KEPT = 50_000
"""Rows."""


class AuditLog:
    """The table `audits`. Call `add` inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def add(self, row: Audit) -> None:
        """Write a row down."""
        self._database.execute(
            "insert into audits (at, who, address, action, subject, detail) values (?, ?, ?, ?, ?, ?)",
            [written(row.at), row.who, row.address, row.action, row.subject, row.detail],
        )
        self._database.execute("delete from audits where id <= (select max(id) from audits) - ?", [KEPT])

    def note(self, actor: Actor | None, now: datetime, action: str, subject: str, detail: str = "") -> None:
        """Write down what `actor` does; None: it is written down elsewhere."""
        if actor is not None:
            self.add(Audit(now, actor.name, actor.address, action, subject, detail))

    def newest(self, limit: int) -> list[Audit]:
        """Return the newest rows, the newest first."""
        query = "select id, at, who, address, action, subject, detail from audits order by id desc limit ?"
        return self._database.decoded("audits", _audit, query, [limit])


def _audit(row: dict[str, Any]) -> Audit:
    return Audit(read_known(row["at"]), row["who"], row["address"], row["action"], row["subject"], row["detail"])
