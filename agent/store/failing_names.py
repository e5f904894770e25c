"""Names that a CA could not validate lately: modules are told, so that they can ask for their other names alone."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from agent.model.need import Request
from agent.model.records import FailingName
from agent.pki.chain import KeyType, Purpose
from agent.store.connection import Connection
from agent.store.instants import read, read_known, written


class FailingNames:
    """The table `failing_names`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def all(self) -> list[FailingName]:
        """Return every name that is asked for apart, sorted."""
        query = "select * from failing_names order by name, source"
        return self._database.decoded("failing_names", _failing, query)

    def names(self, sources: Collection[str]) -> tuple[str, ...]:
        """Return the names that are asked for apart at one of `sources`, sorted."""
        return tuple(sorted({each.name for each in self.all() if each.source in sources}))

    def add(self, source: str, names: Iterable[str], request: Request, now: datetime) -> None:
        """Note that `names` failed when `request` was asked for; those that did before keep their beginning."""
        known = {each.name: each for each in self.all() if each.source == source}
        for name in sorted(names):
            last = known.get(name)
            requests = dict.fromkeys((*(last.requests if last else ()), request))
            self._put(FailingName(name, source, last.since if last else now, None, tuple(requests)))

    def settle(self, source: str, asked: Request, passed: Iterable[str], now: datetime) -> list[Request]:
        """Note that the CA could validate `passed`, which `asked` was about, and return what may now be asked for again.

        A name is back where it was when there is a chain for everything that it was asked for together with.
        """
        again: list[Request] = []
        known = {each.name: each for each in self.all() if each.source == source}
        for each in (known[name] for name in sorted(passed) if name in known):
            again += [request for request in each.requests if not request.names <= asked.names]
            self._put(FailingName(each.name, source, each.since, each.passed_at or now, each.requests))
        return again

    def delivered(self, source: str, request: Request, now: datetime) -> list[Request]:
        """Note that there is a chain for `request`, and return what may now be asked for again."""
        for each in self.all():
            if each.source == source and each.name in request.names:
                self._keep_requests(each, [kept for kept in each.requests if not _includes(request, kept)])
        return self.settle(source, request, request.names, now)

    def keep(self, names: Collection[str], sources: Collection[str]) -> None:
        """Forget names that nobody needs any more, and sources that nobody asks."""
        for each in self.all():
            if each.name not in names or each.source not in sources:
                self._remove(each)

    def _keep_requests(self, each: FailingName, requests: Sequence[Request]) -> None:
        if requests:
            self._put(FailingName(each.name, each.source, each.since, each.passed_at, tuple(requests)))
        else:
            self._remove(each)

    def _put(self, each: FailingName) -> None:
        self._database.table("failing_names").upsert(
            {
                "name": each.name,
                "source": each.source,
                "since": written(each.since),
                "passed_at": written(each.passed_at),
                "requests": json.dumps([_written(request) for request in each.requests]),
            },
            pk=("name", "source"),
        )

    def _remove(self, each: FailingName) -> None:
        self._database.execute("delete from failing_names where name = ? and source = ?", [each.name, each.source])


def _includes(request: Request, other: Request) -> bool:
    """Whether who has a chain for `request` needs none for `other`."""
    alike = (request.key_type, request.purpose) == (other.key_type, other.purpose)
    return alike and other.names <= request.names


def _written(request: Request) -> list[Any]:
    return [sorted(request.names), str(request.key_type), str(request.purpose)]


def _failing(row: dict[str, Any]) -> FailingName:
    return FailingName(
        name=row["name"],
        source=row["source"],
        since=read_known(row["since"]),
        passed_at=read(row["passed_at"]),
        requests=tuple(
            Request(names=frozenset(names), key_type=KeyType(key_type), purpose=Purpose(purpose))
            for names, key_type, purpose in json.loads(row["requests"])
        ),
    )
