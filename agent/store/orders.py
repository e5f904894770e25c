"""Orders: a source's dealing with one request, resumable after a crash."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from agent.errors.source import Elsewhere
from agent.model.pause import LONGEST_ORDER, TOLERANCE, is_recent
from agent.model.records import OrderRecord
from agent.store.connection import Connection
from agent.store.instants import read, written
from agent.store.problems import read_problem_json
from agent.store.processes import is_alive, pid_of, process_name
from agent.store.sealing import Sealer
from agent.store.values import mapping, words

UNNEEDED = timedelta(days=8)
"""An order for a request that no module needs any more is kept so long after its next try would have been."""
LEASE = timedelta(seconds=60)
"""A lease whose holder hasn't renewed it for so long is taken over."""
LEASES = "select request, source, lease_process, lease_at, lease_beat from orders where lease_process != ''"
COLUMNS = "request, source, attempts, retry_at, problem, permanent, settings_digest, tried_at, elsewhere, lasting"
ASK_AGAIN = (
    "insert into reissues (request, asked_at, forced, chains)"
    " select ?, ?, ?, json_group_array(id) from chains where request = ?"
    " on conflict (request) do update set"
    " asked_at = excluded.asked_at, forced = excluded.forced, chains = excluded.chains"
)
STILL_WANTED = (
    "update reissues set chains = (select json_group_array(id) from chains where request = ?1"
    " and id in (select value from json_each(reissues.chains)) and source in (select value from json_each(?2)))"
    " where request = ?1 and json_valid(chains)"
)


class Orders:
    """The table `orders`."""

    def __init__(self, database: Connection, sealer: Sealer, beat: Callable[[], float] = time.monotonic) -> None:
        """`beat`: returns seconds that no setting of the clock changes, the same in all processes of a boot."""
        self._database = database
        self._sealer = sealer
        self._beat = beat

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
        found = self._database.decoded("orders", self._opened, query, [request, source])
        return next(iter(found), {})

    def _opened(self, row: Mapping[str, Any]) -> dict[str, Any]:
        sealed = row["sealed_state"]
        context = _context(row["request"], row["source"])
        return {} if sealed is None else mapping(self._sealer.open_value(sealed, context).decode())

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
                "tried_at": written(record.tried_at),
                "elsewhere": str(record.elsewhere),
                "lasting": record.lasting,
            },
        )

    def forget_failures(self, request: str) -> None:
        """Let every source be asked at once again."""
        self._database.execute(
            "update orders set attempts = 0, lasting = 0, retry_at = null, permanent = 0, problem = null where request = ?",
            [request],
        )

    def try_again(self, code: str, now: datetime) -> None:
        """Let orders that failed so be tried at once again."""
        query = "update orders set retry_at = ? where json_extract(problem, '$.code') = ?"
        self._database.execute(query, [written(now), code])

    def forget_unneeded(self, needed: Collection[str], now: datetime) -> None:
        """Forget orders for requests that nobody needs any more, unless their next try is to come or was lately.

        A request comes and goes with the names that fail: its back-off stays for a while.
        """
        before = now - UNNEEDED
        query = (
            "select request, source from orders"
            " where lease_process is null and coalesce(retry_at, '') not between ? and ?"
        )
        furthest = now + LONGEST_ORDER + TOLERANCE
        for request, source in self._database.execute(query, [written(before), written(furthest)]).fetchall():
            if request not in needed:
                self.succeeded(request, source)

    def forget_saved(self, request: str) -> None:
        """Have every source begin again with a request: what they have saved of it is no good any more."""
        self._database.execute("update orders set sealed_state = null where request = ?", [request])

    def ask_again(self, request: str, now: datetime, *, force: bool = False) -> None:
        """Note that a person wants other chains for a request than those that there are: a wish, kept until it is served.

        `force`: checks that only spare the CA are left out at the first try.
        """
        self._database.execute(ASK_AGAIN, [request, written(now), int(force), request])

    def reissues(self) -> dict[str, frozenset[str]]:
        """Return the ids of the chains that are to be replaced because a person wants it, by request."""
        return dict(self._database.decoded("reissues", _reissue, "select request, chains from reissues"))

    def served(self, request: str, above: Collection[str]) -> None:
        """Drop a wish for which a source has made a chain, in the transaction that stores that.

        Chains of the sources that are `above` it in the ladder are still to be replaced.
        """
        self._database.execute(STILL_WANTED, [request, json.dumps(sorted(above))])
        self._drop_wishes("request = ? and chains = '[]' and coalesce(forced, 0) = 0", request)

    def drop_unneeded_wishes(self, needed: Collection[str]) -> None:
        """Drop the wishes for requests that nobody needs."""
        self._drop_wishes("request not in (select value from json_each(?))", json.dumps(sorted(needed)))

    def _drop_wishes(self, where: str, value: str) -> None:
        """`where`: of this class, never of a caller."""
        self._database.execute(f"delete from reissues where {where}", [value])  # noqa: S608

    def forced(self) -> frozenset[str]:
        """Return the requests for which a person insisted when asking for a new chain."""
        return frozenset(row[0] for row in self._database.execute("select request from reissues where forced = 1"))

    def clear_forced(self, request: str) -> None:
        """Note that nobody insists any more: there is a new chain."""
        self._database.execute("update reissues set forced = 0 where request = ? and forced = 1", [request])

    def lease(self, request: str, source: str, now: datetime) -> bool:
        """Take the order for this process. False while another living process has it. Call inside `Store.write`."""
        query = f"{LEASES} and request = ? and source = ?"
        known = self._database.decoded("orders", lambda row: self._is_of_another(row, now), query, [request, source])
        if any(known):
            return False
        holder = {"lease_process": process_name(), "lease_at": written(now), "lease_beat": int(self._beat())}
        self._put(request, source, holder)
        return True

    def renew(self, now: datetime) -> None:
        """Show that the holder of all leases of this process lives."""
        query = "update orders set lease_at = ?, lease_beat = ? where lease_process = ?"
        self._database.execute(query, [written(now), int(self._beat()), process_name()])

    def release(self, request: str, source: str) -> None:
        """Give the lease back."""
        self._database.execute(
            "update orders set lease_process = null, lease_at = null, lease_beat = null where request = ? and source = ?",
            [request, source],
        )

    def leased(self, now: datetime) -> set[tuple[str, str]]:
        """Return `(request, source)` of the orders that a living process works at."""
        leases = self._database.decoded("orders", lambda row: (_key(row), self._holds(row, now)), LEASES)
        return {key for key, holds in leases if holds}

    def worked_at_by(self, now: datetime) -> int | None:
        """Return another process, which lives, that works at an order; None: there is none."""
        found = self._database.decoded(
            "orders", lambda row: self._is_of_another(row, now) and row["lease_process"], LEASES
        )
        return next((pid_of(process) for process in found if process), None)

    def _holds(self, row: Mapping[str, Any], now: datetime) -> bool:
        """Whether a lease counts. An earlier version has noted only what the clock showed: one from the future doesn't."""
        since, beat = read(row["lease_at"]), row["lease_beat"]
        if beat is not None:
            is_fresh = int(beat) <= self._beat() < int(beat) + LEASE.total_seconds()
        else:
            is_fresh = since is not None and is_recent(since, now, LEASE)
        return is_fresh and is_alive(row["lease_process"])

    def _is_of_another(self, row: Mapping[str, Any], now: datetime) -> bool:
        return row["lease_process"] != process_name() and self._holds(row, now)

    def _put(self, request: str, source: str, values: dict[str, Any]) -> None:
        """Set some columns of a row, which is made if need be. The columns' names are this file's own."""
        columns = ["request", "source", *values]
        changes = ", ".join(f"{column} = excluded.{column}" for column in values)
        self._database.execute(
            f"insert into orders ({', '.join(columns)}) values ({', '.join('?' * len(columns))})"  # noqa: S608
            f" on conflict (request, source) do update set {changes}",
            [request, source, *values.values()],
        )


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["request"], row["source"]


def _reissue(row: dict[str, Any]) -> tuple[str, frozenset[str]]:
    return row["request"], frozenset(words(row["chains"]))


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
        tried_at=read(row["tried_at"]),
        elsewhere=Elsewhere(row["elsewhere"] or Elsewhere.NEVER),
        lasting=int(row["lasting"] or 0),
    )
