"""Records by which dns-persist-01 proves names, as they were seen last."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

from agent.model.persistent import PersistentLook
from agent.store.connection import Connection
from agent.store.instants import read, written
from agent.store.problems import read_problem, written_problem
from agent.store.values import words

COLUMNS = (
    *("source", "domain", "ca", "value", "names", "proves", "seen", "servers", "problem", "until", "right_at"),
    *("right_value", "asked_at", "next_at", "origin"),
)
INSERT = f"insert or replace into persistent ({', '.join(COLUMNS)}) values (:{', :'.join(COLUMNS)})"  # noqa: S608


class PersistentLooks:
    """The table `persistent`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def all(self) -> dict[tuple[str, str], PersistentLook]:
        """Return what is known, by source and domain."""
        found = self._database.decoded("persistent", _look, "select * from persistent order by source, domain")
        return {each.key: each for each in found}

    def put(self, looks: Iterable[PersistentLook]) -> None:
        """Keep what was seen, in place of what was known before."""
        for each in looks:
            self._database.execute(INSERT, _row(each))

    def look_again(self) -> None:
        """Let what does not prove what it is to prove be looked at with the next pass."""
        self._database.execute("update persistent set next_at = null where problem is not null")

    def keep(self, keys: Collection[tuple[str, str]]) -> None:
        """Forget all other records."""
        for source, domain in self.all().keys() - set(keys):
            self._database.execute("delete from persistent where source = ? and domain = ?", [source, domain])


def _row(look: PersistentLook) -> dict[str, Any]:
    row: dict[str, Any] = {each: getattr(look, each) for each in COLUMNS}
    row |= {each: written(row[each]) for each in ("until", "right_at", "asked_at", "next_at")}
    row["names"], row["proves"] = json.dumps(look.names), json.dumps(look.proves)
    row["problem"] = written_problem(look.problem)
    return row


def _look(row: dict[str, Any]) -> PersistentLook:
    values = dict(row)
    values |= {each: read(row[each]) for each in ("until", "right_at", "asked_at", "next_at")}
    values["names"], values["proves"] = words(row["names"]), words(row["proves"])
    values["problem"] = read_problem(row["problem"])
    return PersistentLook(**values)
