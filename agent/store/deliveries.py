"""How far observers and notifiers have been told of the events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agent.model.delivery import Delivery, ListenerKind, Listeners
from agent.store.connection import Connection
from agent.store.instants import read, written

COLUMNS = ("listener", "kind", "plugin", "told", "attempts", "tried_at", "retry_at", "failed")
REPLACE = f"insert or replace into deliveries ({', '.join(COLUMNS)}) values (:{', :'.join(COLUMNS)})"  # noqa: S608


class Deliveries:
    """The table `deliveries`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def all(self) -> list[Delivery]:
        """Return every listener with its cursor, by name."""
        return self._database.decoded("deliveries", _delivery, "select * from deliveries order by listener")

    def follow(self, listeners: Listeners, last: int) -> list[str]:
        """Keep the rows of these listeners alone; one that is new is told what comes after the event `last`.

        Return the names of those that are gone. Where nothing differs, nothing is written.
        """
        known = {each.listener: each for each in self.all()}
        gone = [name for name in known if name not in listeners]
        for name in gone:
            self._database.execute("delete from deliveries where listener = ?", [name])
        for name, (kind, plugin) in listeners.items():
            if name not in known:
                self.put(Delivery(name, kind, plugin, last))
        return gone

    def put(self, delivery: Delivery) -> None:
        """Keep how far one listener is."""
        self._database.execute(REPLACE, _row(delivery))

    def behind(self) -> dict[str, int]:
        """Return how many events wait for each listener."""
        query = "select listener, (select count(*) from events where id > told) from deliveries"
        return {str(name): int(count) for name, count in self._database.execute(query)}

    def due_at(self, now: datetime) -> datetime | None:
        """Return when a listener is to be told something: `now` or later; None: no event waits for any."""
        last = int(self._database.execute("select coalesce(max(id), 0) from events").fetchone()[0])
        waiting = [each for each in self.all() if each.told != last]
        return min((each.retry_at if each.retry_at and each.is_paused(now) else now for each in waiting), default=None)


def _row(delivery: Delivery) -> dict[str, Any]:
    return {
        "listener": delivery.listener,
        "kind": str(delivery.kind),
        "plugin": delivery.plugin,
        "told": delivery.told,
        "attempts": delivery.attempts,
        "tried_at": written(delivery.tried_at),
        "retry_at": written(delivery.retry_at),
        "failed": delivery.failed,
    }


def _delivery(row: dict[str, Any]) -> Delivery:
    return Delivery(
        listener=row["listener"],
        kind=ListenerKind(row["kind"]),
        plugin=row["plugin"],
        told=row["told"],
        attempts=row["attempts"],
        tried_at=read(row["tried_at"]),
        retry_at=read(row["retry_at"]),
        failed=row["failed"],
    )
