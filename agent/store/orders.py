"""Orders: a source's dealing with one request, resumable after a crash."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from agent.model.records import OrderRecord
from agent.store.connection import Connection
from agent.store.instants import read, read_known, written
from agent.store.problems import read_problem_json
from agent.store.processes import is_alive, process_name
from agent.store.sealing import Sealer
from agent.store.values import mapping

LEASE = timedelta(seconds=60)
"""A lease whose holder hasn't renewed it for so long is taken over."""
COLUMNS = "request, source, attempts, retry_at, problem, permanent, settings_digest"
ASK_AGAIN = (
    "insert into reissues (request, asked_at, forced) values (?, ?, ?)"
    " on conflict (request) do update set asked_at = excluded.asked_at, forced = excluded.forced"
)


class Orders:
    """The table `orders`."""

    def __init__(self, database: Connection, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def records(self) -> list[OrderRecord]:
        """Return every order that is remembered."""
        return self._database.decoded("orders", _record, f"select {COLUMNS} from orders")  # noqa: S608

    def record(self, request: str, source: str) -> OrderRecord | None:
        """Return what became of one order so far."""
        query = f"select {COLUMNS} from orders where request = ? and source = ?"  # noqa: S608
        return next(iter(self._database.decoded("orders", _record, query, [request, source])), None)

    def saved(self, request: str, source: str) -> dict[str, Any]:
        """Return what the source saved last; empty at first."""
        query = "select request, source, sealed_state from orders where request = ? and source = ?"
        for row in self._database.checked("orders", query, [request, source]):
            if row["sealed_state"] is not None:
                return mapping(self._sealer.open(row["sealed_state"], _context(request, source)).decode())
        return {}

    def save(self, request: str, source: str, state: Mapping[str, Any]) -> None:
        """Keep what a source needs to go on after a crash."""
        sealed = self._sealer.seal(json.dumps(dict(state)).encode(), _context(request, source))
        self._put(request, source, {"sealed_state": sealed})

    def succeeded(self, request: str, source: str) -> None:
        """Forget an order: its chain is in the store."""
        self._database.execute("delete from orders where request = ? and source = ?", [request, source])

    def failed(self, record: OrderRecord) -> None:
        """Remember a failure. What the source saved stays, for the next try."""
        self._put(
            record.request,
            record.source,
            {
                "attempts": record.attempts,
                "retry_at": written(record.retry_at),
                "problem": json.dumps(dict(record.problem)) if record.problem else None,
                "permanent": int(record.permanent),
                "settings_digest": record.settings_digest,
            },
        )

    def forget_failures(self, request: str) -> None:
        """Let every source be asked at once again."""
        self._database.execute(
            "update orders set attempts = 0, retry_at = null, permanent = 0, problem = null where request = ?",
            [request],
        )

    def forget_unneeded(self, needed: Collection[str], before: datetime) -> None:
        """Forget orders for requests that nobody needs any more, unless they were to be tried again after `before`.

        A request comes and goes with the names that fail: its back-off stays for a while.
        """
        query = "select request, source from orders where lease_process is null and coalesce(retry_at, '') < ?"
        for request, source in self._database.execute(query, [written(before)]).fetchall():
            if request not in needed:
                self.succeeded(request, source)

    def ask_again(self, request: str, now: datetime, *, force: bool = False) -> None:
        """Note that a person wants a new chain for a request; it's done when a source has one that is younger.

        `force`: checks that only spare the CA are left out at the first try.
        """
        self._database.execute(ASK_AGAIN, [request, written(now), int(force)])

    def reissues(self) -> dict[str, datetime]:
        """Return when a person last asked for a new chain, by request."""
        query = "select request, asked_at from reissues"
        return dict(self._database.decoded("reissues", _reissue, query))

    def forced(self) -> frozenset[str]:
        """Return the requests for which a person insisted when asking for a new chain."""
        return frozenset(row[0] for row in self._database.execute("select request from reissues where forced = 1"))

    def clear_forced(self, request: str) -> None:
        """Note that nobody insists any more: there is a new chain."""
        self._database.execute("update reissues set forced = 0 where request = ? and forced = 1", [request])

    def lease(self, request: str, source: str, now: datetime) -> bool:
        """Take the order for this process. False while another living process has it. Call inside `Store.write`."""
        query = "select request, source, lease_process, lease_at from orders where request = ? and source = ?"
        known = self._database.decoded("orders", lambda row: _is_of_another(row, now), query, [request, source])
        if any(known):
            return False
        self._put(request, source, {"lease_process": process_name(), "lease_at": written(now)})
        return True

    def renew(self, now: datetime) -> None:
        """Show that the holder of all leases of this process lives."""
        self._database.execute("update orders set lease_at = ? where lease_process = ?", [written(now), process_name()])

    def release(self, request: str, source: str) -> None:
        """Give the lease back."""
        self._database.execute(
            "update orders set lease_process = null, lease_at = null where request = ? and source = ?",
            [request, source],
        )

    def leased(self, now: datetime) -> set[tuple[str, str]]:
        """Return `(request, source)` of the orders that a living process works at."""
        query = "select request, source, lease_process, lease_at from orders where lease_process != ''"
        leases = self._database.decoded("orders", lambda row: _lease(row, now), query)
        return {key for key, holds in leases if holds}

    def _put(self, request: str, source: str, values: dict[str, Any]) -> None:
        """Set some columns of a row, which is made if need be. The columns' names are this file's own."""
        columns = ["request", "source", *values]
        changes = ", ".join(f"{column} = excluded.{column}" for column in values)
        self._database.execute(
            f"insert into orders ({', '.join(columns)}) values ({', '.join('?' * len(columns))})"  # noqa: S608
            f" on conflict (request, source) do update set {changes}",
            [request, source, *values.values()],
        )


def _holds(process: str, since: str | None, now: datetime) -> bool:
    """Whether a lease counts. One from the future doesn't: the clock was set back."""
    held_at = read(since)
    return held_at is not None and timedelta() <= now - held_at < LEASE and is_alive(process)


def _is_of_another(row: dict[str, Any], now: datetime) -> bool:
    process = row["lease_process"]
    return bool(process) and process != process_name() and _holds(process, row["lease_at"], now)


def _lease(row: dict[str, Any], now: datetime) -> tuple[tuple[str, str], bool]:
    return (row["request"], row["source"]), _holds(row["lease_process"], row["lease_at"], now)


def _reissue(row: dict[str, Any]) -> tuple[str, datetime]:
    return row["request"], read_known(row["asked_at"])


def _context(request: str, source: str) -> str:
    return f"order of {source} for {request}"


def _record(row: dict[str, Any]) -> OrderRecord:
    return OrderRecord(
        request=row["request"],
        source=row["source"],
        attempts=int(row["attempts"] or 0),
        retry_at=read(row["retry_at"]),
        problem=read_problem_json(row["problem"]),
        permanent=bool(row["permanent"]),
        settings_digest=row["settings_digest"] or "",
    )
