"""Endpoints: what was seen last at each, and when to look again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agent.model.deployment import EndpointRecord
from agent.store.connection import Connection
from agent.store.instants import read, written
from agent.store.problems import read_problem, written_problem


class Endpoints:
    """The table `endpoints`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def put(self, module: str, records: Iterable[EndpointRecord]) -> None:
        """Keep what was seen of one module, in place of the last look."""
        self._database.execute("delete from endpoints where module = ?", [module])
        self._database.table("endpoints").insert_all(_row(record) for record in records)

    def update(self, records: Iterable[EndpointRecord]) -> None:
        """Keep a new look at some endpoints."""
        self._database.table("endpoints").upsert_all([_row(record) for record in records], pk=("module", "key"))

    def keep_modules(self, modules: Iterable[str]) -> None:
        """Forget the endpoints of modules that are gone."""
        names = list(modules)
        marks = ", ".join("?" for _ in names)
        self._database.execute(f"delete from endpoints where module not in ({marks})", names)  # noqa: S608

    def ports(self, *, wrong: bool = False) -> set[int]:
        """Return the ports of all endpoints, or of those at which something is wrong; a UNIX socket has none."""
        query = "select distinct cast(address as text) as address from endpoints where address not like 'unix:%'"
        rows = self._database.query(f"{query} and not ok" if wrong else query)
        return {int(port) for row in rows if (port := row["address"].rpartition(":")[2]).isdecimal() and len(port) < 6}

    def all(self) -> list[EndpointRecord]:
        """Return every endpoint."""
        return self._database.decoded("endpoints", _record, "select * from endpoints order by module, key")

    def of(self, module: str) -> list[EndpointRecord]:
        """Return the endpoints of one module."""
        query = "select * from endpoints where module = ? order by key"
        return self._database.decoded("endpoints", _record, query, [module])


def _record(row: dict[str, Any]) -> EndpointRecord:
    return EndpointRecord(
        module=row["module"],
        key=row["key"],
        slot=row["slot"],
        address=row["address"],
        server_name=row["server_name"],
        chain=row["chain"],
        served_sha256=row["served_sha256"],
        ok=bool(row["ok"]),
        problem=read_problem(row["problem"]),
        checked_at=read(row["checked_at"]),
        next_at=read(row["next_at"]),
        served_at=read(row["served_at"]),
        wrong_since=read(row["wrong_since"]),
        further=bool(row["further"]),
        plain_tls=bool(row["plain_tls"]),
    )


def _row(record: EndpointRecord) -> dict[str, object]:
    return {
        "module": record.module,
        "key": record.key,
        "slot": record.slot,
        "address": record.address,
        "server_name": record.server_name,
        "chain": record.chain,
        "served_sha256": record.served_sha256,
        "ok": int(record.ok),
        "problem": written_problem(record.problem),
        "checked_at": written(record.checked_at),
        "next_at": written(record.next_at),
        "served_at": written(record.served_at),
        "wrong_since": written(record.wrong_since),
        "further": int(record.further),
        "plain_tls": int(record.plain_tls),
    }
