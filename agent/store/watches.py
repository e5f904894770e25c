"""Watches of bound chains: what their CAs say of them, and when to ask again."""

from __future__ import annotations

import json
from typing import Any

from agent.model.records import Watch
from agent.store.connection import Connection
from agent.store.instants import read, read_known, written
from agent.store.problems import read_problem_json

COLUMNS = (
    *("chain", "next_at", "crl_at", "renew_at", "window_start", "window_end", "explanation", "problem", "attempts"),
    *("asked_at", "crl_asked_at"),
)
INSERT = f"insert or replace into watches ({', '.join(COLUMNS)}) values (:{', :'.join(COLUMNS)})"  # noqa: S608


class Watches:
    """The table `watches`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def all(self) -> dict[str, Watch]:
        """Return what is known, by chain."""
        return {each.chain: each for each in self._database.decoded("watches", _record, "select * from watches")}

    def of(self, chain: str) -> Watch | None:
        """Return what is known of one chain."""
        found = self._database.decoded("watches", _record, "select * from watches where chain = ?", [chain])
        return next(iter(found), None)

    def put(self, watch: Watch) -> None:
        """Keep what is known of a chain, in place of what was known before."""
        window = watch.window or (None, None)
        row = {
            "chain": watch.chain,
            "next_at": written(watch.next_at),
            "crl_at": written(watch.crl_at),
            "renew_at": written(watch.renew_at),
            "window_start": written(window[0]),
            "window_end": written(window[1]),
            "explanation": watch.explanation,
            "problem": json.dumps(dict(watch.problem)) if watch.problem else None,
            "attempts": watch.attempts,
            "asked_at": written(watch.asked_at),
            "crl_asked_at": written(watch.crl_asked_at),
        }
        self._database.execute(INSERT, row)

    def forget(self, chain: str) -> None:
        """Drop what is known of one chain."""
        self._database.execute("delete from watches where chain = ?", [chain])

    def forget_gone(self) -> None:
        """Drop what is known of chains that are no longer there."""
        self._database.execute("delete from watches where chain not in (select id from chains)")


def _record(row: dict[str, Any]) -> Watch:
    start, end = row["window_start"], row["window_end"]
    return Watch(
        chain=row["chain"],
        next_at=read(row["next_at"]),
        crl_at=read(row["crl_at"]),
        renew_at=read(row["renew_at"]),
        window=(read_known(start), read_known(end)) if start and end else None,
        explanation=row["explanation"] or "",
        problem=read_problem_json(row["problem"]),
        attempts=int(row["attempts"] or 0),
        asked_at=read(row["asked_at"]),
        crl_asked_at=read(row["crl_asked_at"]),
    )
