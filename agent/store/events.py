"""Events, kept for everything that follows them."""

from __future__ import annotations

import json
from datetime import datetime

from agent.model.events import Event, EventKind
from agent.store.connection import Connection
from agent.store.instants import read_known, written
from agent.store.values import mapping

KEPT = 10_000
"""Rows; older ones are dropped at the end of a pass."""


class Journal:
    """The table `events`, oldest first."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def add(self, event: Event) -> int:
        """Keep an event and return its number."""
        cursor = self._database.execute(
            "insert into events (at, kind, job, module, text, detail) values (?, ?, ?, ?, ?, ?)",
            [written(event.at), str(event.kind), event.job, event.module, event.text, json.dumps(dict(event.detail))],
        )
        return int(cursor.lastrowid or 0)

    def since(self, number: int = 0, *, job: str = "", module: str = "", limit: int = 1000) -> list[Event]:
        """Return the events after `number`, oldest first; without `number` the newest `limit`."""
        where = ["id > ?"]
        values: list[object] = [number]
        for column, value in (("job", job), ("module", module)):
            if value:
                where.append(f"{column} = ?")
                values.append(value)
        order = "asc" if number else "desc"
        query = f"select * from events where {' and '.join(where)} order by id {order} limit ?"  # noqa: S608
        events = self._database.decoded("events", _event, query, [*values, limit])
        return events if number else events[::-1]

    def after(self, number: int, limit: int) -> list[Event]:
        """Return the first `limit` events after `number`, oldest first."""
        query = "select * from events where id > ? order by id limit ?"
        return self._database.decoded("events", _event, query, [number, limit])

    def range(self) -> tuple[int, int]:
        """Return the numbers of the first and the last event; without any, that of the next one and 0."""
        first, last = self._database.execute("select min(id), max(id) from events").fetchone()
        return (int(first), int(last)) if last is not None else (1, 0)

    def about(self, chain: str, request: str | None, limit: int = 10) -> list[Event]:
        """Return the newest events about a chain, or about the request that it was made for, oldest first."""
        query = (
            "select * from events where json_valid(detail)"
            " and (json_extract(detail, '$.chain') = ? or json_extract(detail, '$.request') = ?)"
            " order by id desc limit ?"
        )
        return self._database.decoded("events", _event, query, [chain, request, limit])[::-1]

    def orders(self) -> list[Event]:
        """Return what orders did, oldest first: when they began, and each of their steps."""
        query = "select * from events where kind in (?, ?) order by id"
        kinds = [str(EventKind.ORDER_STARTED), str(EventKind.ORDER_STEP)]
        return self._database.decoded("events", _event, query, kinds)

    def trim(self, keep: int = KEPT) -> None:
        """Drop what is older than the newest `keep` rows."""
        self._database.execute("delete from events where id <= (select max(id) from events) - ?", [keep])


def _event(row: dict[str, object]) -> Event:
    return Event(
        at=_moment(row["at"]),
        kind=EventKind(str(row["kind"])),
        text=str(row["text"]),
        job=str(row["job"] or ""),
        module=str(row["module"] or ""),
        detail=mapping(str(row["detail"] or "{}")),
        id=int(str(row["id"])),
    )


def _moment(value: object) -> datetime:
    return read_known(str(value))
