"""The store for commands that only look: read-only, in one consistent state, without sqlite-utils and without a key."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from agent.errors.store import NoStateYet, StateUnwritable
from agent.store.chains import Chains
from agent.store.deployments import Deployments
from agent.store.endpoints import Endpoints
from agent.store.events import Journal
from agent.store.jobs import Jobs
from agent.store.modules import Modules
from agent.store.orders import Orders
from agent.store.peers import Peers
from agent.store.revocations import Revocations
from agent.store.roots import Roots
from agent.store.watches import Watches
from agent.system.layout import Layout

if TYPE_CHECKING:
    from sqlite_utils import Database

    from agent.store.sealing import Sealer

BUSY_SECONDS = 10


class View:
    """What the tables offer for reading. Whatever would write or open a key fails.

    sqlite-utils alone takes longer to import than a whole ``chainwright status`` may take.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._connection = connection
        reader, closed = cast("Database", _Reader(connection)), cast("Sealer", None)
        self.roots = Roots(reader, closed, path.parent)
        self.chains = Chains(reader, closed)
        self.orders = Orders(reader, closed)
        self.peers = Peers(reader)
        self.revocations = Revocations(reader)
        self.modules = Modules(reader)
        self.deployments = Deployments(reader)
        self.endpoints = Endpoints(reader)
        self.jobs = Jobs(reader)
        self.journal = Journal(reader)
        self.watches = Watches(reader)

    @classmethod
    def open(cls, layout: Layout) -> Self:
        """Open the database of an earlier run. Raises `NoStateYet`, `StateUnwritable` and `sqlite3.Error`."""
        try:
            layout.database.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NoStateYet(str(layout.database)) from error
        except OSError as error:
            raise StateUnwritable(str(layout.private), (error.strerror or str(error)).lower()) from error
        connection = sqlite3.connect(f"{layout.database.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
        connection.row_factory = sqlite3.Row
        connection.isolation_level = None
        return cls(layout.database, connection)

    def __enter__(self) -> Self:
        """Begin to see one state of the store, whoever writes meanwhile."""
        self._connection.execute("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def refresh(self) -> None:
        """See what was written since."""
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN")

    def live_chains(self) -> dict[str, dict[str, str]]:
        """Return, by module and slot, the id of the chain in the generation that is in service."""
        query = (
            "select module, chains from deployments join generations"
            " on owner = 'module:' || module and number = generation"
        )
        return {row[0]: json.loads(row[1]) for row in self._connection.execute(query)}

    def meta(self, key: str) -> str | None:
        """Return a remembered word."""
        row = self._connection.execute("select value from meta where key = ?", [key]).fetchone()
        return row[0] if row else None


class _Reader:
    """The two methods of `sqlite_utils.Database` by which the tables read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def query(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[dict[str, Any]]:
        """Yield rows as dicts."""
        for row in self._connection.execute(sql, parameters):
            yield dict(row)

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        """Return a cursor whose rows are read by position."""
        return self._connection.execute(sql, parameters)
