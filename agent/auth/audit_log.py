"""The record of changes: who did what, from where. Rows are only ever added; the oldest go when there are very many."""

from __future__ import annotations

from datetime import datetime

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
        query = "select at, who, address, action, subject, detail from audits order by id desc limit ?"
        return [Audit(read_known(row[0]), *row[1:]) for row in self._database.execute(query, [limit])]
