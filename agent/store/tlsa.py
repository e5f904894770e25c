"""TLSA records as DNS had them last."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

from agent.model.tlsa import TlsaLook, TlsaRecord
from agent.store.connection import Connection
from agent.store.instants import read, written
from agent.store.values import words

COLUMNS = ("owner", "records", "authenticated", "ttl", "since", "asked_at", "next_at", "problem")
INSERT = f"insert or replace into tlsa ({', '.join(COLUMNS)}) values (:{', :'.join(COLUMNS)})"  # noqa: S608


class TlsaLooks:
    """The table `tlsa`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def all(self) -> dict[str, TlsaLook]:
        """Return what is known, by owner name."""
        return {each.owner: each for each in self._database.decoded("tlsa", _look, "select * from tlsa")}

    def put(self, looks: Iterable[TlsaLook]) -> None:
        """Keep what is known of names, in place of what was known before."""
        for each in looks:
            self._database.execute(INSERT, _row(each))

    def keep(self, owners: Collection[str]) -> None:
        """Forget all other names."""
        query = "delete from tlsa where owner not in (select value from json_each(?))"
        self._database.execute(query, [json.dumps(sorted(owners))])


def _row(look: TlsaLook) -> dict[str, Any]:
    return {
        "owner": look.owner,
        "records": None if look.records is None else json.dumps([str(each) for each in look.records]),
        "authenticated": int(look.authenticated),
        "ttl": look.ttl,
        "since": written(look.since),
        "asked_at": written(look.asked_at),
        "next_at": written(look.next_at),
        "problem": look.problem,
    }


def _look(row: dict[str, Any]) -> TlsaLook:
    records = row["records"]
    return TlsaLook(
        owner=row["owner"],
        records=None if records is None else tuple(TlsaRecord.parse(each) for each in words(records)),
        authenticated=bool(row["authenticated"]),
        ttl=int(row["ttl"]),
        since=read(row["since"]),
        asked_at=read(row["asked_at"]),
        next_at=read(row["next_at"]),
        problem=row["problem"],
    )
