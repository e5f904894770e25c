"""TXT records that the agent has made in DNS, each from before it is made until it has been removed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agent.model.dns_record import DnsRecord
from agent.store.connection import Connection
from agent.store.instants import read, read_known, written
from agent.store.problems import read_problem, written_problem

COLUMNS = (
    *("solver", "zone", "name", "value", "domain", "request", "source", "at"),
    *("attempts", "tried_at", "retry_at", "problem", "settings_digest"),
)
PUT = f"insert or replace into dns_records ({', '.join(COLUMNS)}) values (:{', :'.join(COLUMNS)})"  # noqa: S608


class DnsRecords:
    """The table `dns_records`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def all(self) -> list[DnsRecord]:
        """Return every row, by table, name and value."""
        return self._database.decoded("dns_records", _record, "select * from dns_records order by solver, name, value")

    def put(self, records: Iterable[DnsRecord]) -> None:
        """Keep rows, in place of those of the same records."""
        for each in records:
            self._database.execute(PUT, _row(each))

    def try_again(self) -> None:
        """Let those that could not be removed be removed with the next pass."""
        self._database.execute("update dns_records set retry_at = null, settings_digest = '' where problem is not null")

    def delete(self, records: Iterable[DnsRecord]) -> None:
        """Forget rows."""
        query = "delete from dns_records where solver = ? and name = ? and value = ?"
        for each in records:
            self._database.execute(query, [each.solver, each.name, each.value])


def _row(each: DnsRecord) -> dict[str, Any]:
    plain = {column: getattr(each, column) for column in COLUMNS}
    instants = {column: written(plain[column]) for column in ("at", "tried_at", "retry_at")}
    return {**plain, **instants, "problem": written_problem(each.problem)}


def _record(row: dict[str, Any]) -> DnsRecord:
    plain = {column: row[column] for column in ("solver", "zone", "name", "value", "domain", "request", "source")}
    return DnsRecord(
        **plain,
        at=read_known(row["at"]),
        attempts=row["attempts"],
        tried_at=read(row["tried_at"]),
        retry_at=read(row["retry_at"]),
        problem=read_problem(row["problem"]),
        settings_digest=row["settings_digest"],
    )
