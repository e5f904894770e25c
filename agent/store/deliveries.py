"""How far observers and notifiers have been told of the events."""

from __future__ import annotations

from collections.abc import Collection, Container
from datetime import datetime, timedelta
from typing import Any

from agent.model.delivery import Delivery, ListenerKind, Listeners
from agent.store.connection import Connection
from agent.store.instants import read, written

COLUMNS = ("listener", "kind", "plugin", "told", "attempts", "tried_at", "retry_at", "failed")
INSERT = f"insert into deliveries ({', '.join(COLUMNS)}) values (:{', :'.join(COLUMNS)})"  # noqa: S608
UPDATE = f"update deliveries set {', '.join(f'{each} = :{each}' for each in COLUMNS)} where listener = :listener"  # noqa: S608


def failures_of(listener: str) -> str:
    """Return the scope of the condition that a listener fails."""
    return f"delivery {listener}"


def skips_of(listener: str) -> str:
    """Return the scope of the condition that a listener was not told of events."""
    return f"skipped {listener}"


class Deliveries:
    """The table `deliveries`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def all(self) -> list[Delivery]:
        """Return every listener with its cursor, by name."""
        return self._database.decoded("deliveries", _delivery, "select * from deliveries order by listener")

    def follow(self, listeners: Listeners, last: int, broken: Collection[str] = ()) -> list[str]:
        """Keep the rows of these listeners alone; one that is new is told what comes after the event `last`.

        Those of plugins that are `broken` are kept: they are told all of it once their plugin is mended. Return the names of
        those that are gone. Where nothing differs, nothing is written.
        """
        known = {each.listener: each for each in self.all()}
        gone = [name for name, each in known.items() if name not in listeners and each.plugin not in broken]
        for name in gone:
            self._database.execute("delete from deliveries where listener = ?", [name])
        for name, (kind, plugin) in listeners.items():
            if name not in known:
                self._database.execute(INSERT, _row(Delivery(name, kind, plugin, last)))
        return gone

    def update(self, delivery: Delivery) -> None:
        """Keep how far a listener is; one that is gone meanwhile stays so."""
        self._database.execute(UPDATE, _row(delivery))

    def behind(self) -> dict[str, int]:
        """Return how many events wait for each listener."""
        query = "select listener, (select count(*) from events where id > told) from deliveries"
        return {str(name): int(count) for name, count in self._database.execute(query)}

    def waiting(self) -> list[Delivery]:
        """Return the listeners for which events wait."""
        last = self._database.execute("select coalesce(max(id), 0) from events").fetchone()[0]
        return [each for each in self.all() if each.told != last]

    def seconds_until_due(self, now: datetime, known: Container[str] | None = None) -> float | None:
        """Return in how many seconds one is to be told something; None: no event waits for any. `known`: those that count."""
        waiting = [each for each in self.waiting() if known is None or each.listener in known]
        pauses = [each.retry_at - now if each.retry_at and each.is_paused(now) else timedelta() for each in waiting]
        return min((each.total_seconds() for each in pauses), default=None)


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
