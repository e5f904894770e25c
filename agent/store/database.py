"""The store: its opening, its transactions and its tables."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from agent.errors.store import (
    DatabaseBusy,
    DatabaseFull,
    DatabaseReadOnly,
    NoStateYet,
)
from agent.store.account_keys import AccountKeys
from agent.store.chains import Chains
from agent.store.challenge_windows import OpenWindows
from agent.store.conditions import Conditions
from agent.store.connection import Connection
from agent.store.deliveries import Deliveries
from agent.store.deployments import Deployments
from agent.store.dns_records import DnsRecords
from agent.store.endpoints import Endpoints
from agent.store.events import Journal
from agent.store.failing_names import FailingNames
from agent.store.failures import is_of_the_file, look_at_files, refusal, translated
from agent.store.footprints import Footprints
from agent.store.instants import read, read_known
from agent.store.jobs import Jobs
from agent.store.kept_keys import KeptKeys
from agent.store.key_check import checked_sealer, new_sealer, sealer_of
from agent.store.ledger import Ledger
from agent.store.looking import connect_to_look
from agent.store.modules import Modules
from agent.store.observations import Observations
from agent.store.orders import Orders
from agent.store.overrides import Overrides
from agent.store.peers import Peers
from agent.store.persistent import PersistentLooks
from agent.store.pins import Pins
from agent.store.resolved_names import ResolvedNames
from agent.store.revocations import Revocations
from agent.store.roots import Roots
from agent.store.sealing import Sealer
from agent.store.set_aside import SetAside
from agent.store.source_memory import Memories
from agent.store.tlsa import TlsaLooks
from agent.store.traces import refuse_to_forget, refuse_without_mount
from agent.store.upgrade import bring_up_to_date, transaction
from agent.store.upgrade_copy import copied_before
from agent.store.values import texts
from agent.store.watches import Watches
from agent.system.layout import Layout
from agent.system.obstacles import state_unwritable
from agent.system.writing import make_state, write_new

T = TypeVar("T")


class Store:
    """One connection with its tables. Not for use by several threads: each opens its own with `again`."""

    def __init__(self, layout: Layout, database: Connection, sealer: Sealer) -> None:
        self.layout = layout
        self.database = database
        self.sealer = sealer
        self.after_commit: list[Callable[[], None]] = []
        """What follows once the transaction under way is durable; forgotten where it is undone."""
        self.roots = Roots(database, sealer, layout.private)
        self.chains = Chains(database, sealer)
        self.peers = Peers(database)
        self.revocations = Revocations(database)
        self.orders = Orders(database, sealer)
        self.memories = Memories(database, sealer)
        self.ledger = Ledger(database)
        self.dns_records = DnsRecords(database)
        self.windows = OpenWindows(database, sealer)
        self.account_keys = AccountKeys(database, sealer, layout.private)
        self.kept_keys = KeptKeys(database, sealer)
        self.tlsa = TlsaLooks(database)
        self.persistent = PersistentLooks(database)
        self.watches = Watches(database)
        self.failing = FailingNames(database)
        self.modules = Modules(database)
        self.deployments = Deployments(database)
        self.endpoints = Endpoints(database)
        self.footprints = Footprints(database)
        self.conditions = Conditions(database)
        self.observations = Observations(database)
        self.overrides = Overrides(database)
        self.pins = Pins(database)
        self.resolved = ResolvedNames(database)
        self.set_aside = SetAside(database)
        self.jobs = Jobs(database)
        self.journal = Journal(database)
        self.deliveries = Deliveries(database)

    @classmethod
    def open(cls, layout: Layout, *, copy_seconds: float = math.inf, several_threads: bool = False) -> Self:
        """Open the store for writing, creating it at the very first run. Raises `StoreError`.

        `copy_seconds`: what the copy of an older version's database may take; then it is brought up to date without.
        `several_threads`: which take turns.
        """
        refuse_without_mount(layout)
        try:
            make_state(layout.private)
        except OSError as error:
            raise state_unwritable(layout.state, error) from error
        look_at_files(layout)
        if not layout.database.exists():
            refuse_to_forget(layout)
            _create(layout.database)
        return cls._connect(layout, copy_seconds=copy_seconds, several_threads=several_threads)

    @classmethod
    def open_existing(cls, layout: Layout, *, several_threads: bool = False) -> Self:
        """Open the store of an earlier run for writing; `several_threads`: which take turns.

        Raises `NoStateYet` when there is none, `StoreError`.
        """
        _find(layout)
        return cls._connect(layout, several_threads=several_threads)

    @classmethod
    def open_at(cls, layout: Layout, path: Path, *, first: bool = False) -> Self:
        """Open a database that is not in place, and bring it up to date; `first`: it is empty. Raises `StoreError`."""
        database = Connection.open(path)
        try:
            bring_up_to_date(database, layout.database)
            return cls(layout, database, new_sealer(layout, database) if first else checked_sealer(layout, database))
        except BaseException:
            database.close()
            raise

    @classmethod
    def open_read_only(cls, layout: Layout) -> Self:
        """Open the store of an earlier run in one consistent state, which later writes of others don't change.

        It loads neither sqlite-utils nor the master key, and doesn't migrate: that is left to `open_existing`.
        Raises `NoStateYet`, `StateUnwritable` and `DatabaseRefused`.
        """
        _find(layout)
        with translated(layout):
            database = connect_to_look(layout.database)
        return cls(layout, database, sealer_of(layout))

    @classmethod
    def open_to_look(cls, layout: Layout) -> Self:
        """Open the store of an earlier run to look: brought up to date, unless nothing can be written. Raises `StoreError`."""
        try:
            return cls.open_existing(layout)
        except (DatabaseFull, DatabaseReadOnly):
            return cls.open_read_only(layout)

    @classmethod
    def open_or_empty(cls, layout: Layout) -> Self:
        """Do the same as `open_to_look`; before the first run it is an empty one in memory."""
        try:
            return cls.open_to_look(layout)
        except NoStateYet:
            refuse_to_forget(layout)
            return cls.empty(layout)

    @classmethod
    def empty(cls, layout: Layout) -> Self:
        """Open an empty store in memory, in which no key can be kept."""
        database = Connection.in_memory()
        bring_up_to_date(database, layout.database)
        return cls(layout, database, sealer_of(layout))

    def refresh(self) -> None:
        """Take a store that is open read-only to the present state."""
        self.database.commit()
        self.database.execute("BEGIN")

    def again(self) -> Store:
        """Open another connection to the same database, for another thread."""
        other = Store(self.layout, _database(self.layout), self.sealer)
        other.database.damaged = self.database.damaged
        return other

    def close(self) -> None:
        """Close the connection."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """Close the connection; what is wrong with the file becomes an error of the store. Raises `DatabaseRefused`."""
        self.close()
        if isinstance(error, sqlite3.Error) and is_of_the_file(error):
            raise refusal(error, self.layout) from error

    @contextmanager
    def write(self) -> Iterator[None]:
        """Make what happens inside one durable transaction; inside another one, a part of it.

        Raises `DatabaseRefused` when the disk is full, or another writer doesn't come to an end.
        """
        if self.in_transaction:
            yield
            return
        with translated(self.layout):
            try:
                with transaction(self.database):
                    yield
            except BaseException:
                self.forget()
                self.after_commit.clear()
                raise
        for follow in self._following():
            follow()

    def _following(self) -> list[Callable[[], None]]:
        found, self.after_commit = self.after_commit, []
        return found

    def write_if_free(self, work: Callable[[], object]) -> bool:
        """Do what `work` writes as a transaction, unless another process is writing, or nothing can be: then it's left out.

        For what is nice to know, such as when something was used last. Return whether it is done. Raises `DatabaseRefused`.
        """
        patience = self.database.execute("PRAGMA busy_timeout").fetchone()[0]
        self.database.execute("PRAGMA busy_timeout = 0")
        try:
            with self.write():
                work()
        except (DatabaseBusy, DatabaseFull, DatabaseReadOnly):
            return False
        finally:
            self.database.execute(f"PRAGMA busy_timeout = {patience}")
        return True

    @contextmanager
    def part(self) -> Iterator[None]:
        """Make what happens inside a part of the transaction that is undone alone when it fails.

        Raises `DatabaseRefused`; when `in_transaction` is false afterwards, the whole transaction was undone.
        """
        with translated(self.layout):
            self.database.execute("savepoint part")
            try:
                yield
                self.database.execute("release part")
            except BaseException:
                self.forget()
                if self.in_transaction:  # SQLite has undone everything when the disk is full
                    self.database.execute("rollback to part")
                    self.database.execute("release part")
                raise

    @property
    def version(self) -> tuple[int, int]:
        """Return what is another one after each change that this connection, or another one, has made."""
        seen: int = self.database.execute("PRAGMA data_version").fetchone()[0]
        return seen, self.database.total_changes

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open on this connection."""
        return self.database.in_transaction

    def forget(self) -> None:
        """Read again what was remembered, as after a transaction that was undone."""
        self.chains.forget()
        self.deployments.forget()

    def meta(self, key: str) -> str | None:
        """Return a remembered word."""
        return next(iter(self._metas(key, lambda row: str(row["value"]))), None)

    def instants(self, key: str) -> dict[str, datetime]:
        """Return remembered instants, by name."""
        return next(iter(self._metas(key, _instants)), {})

    def texts(self, key: str) -> dict[str, str]:
        """Return remembered texts, by name."""
        return next(iter(self._metas(key, lambda row: texts(row["value"]))), {})

    def instant(self, key: str) -> datetime | None:
        """Return a remembered instant."""
        return next(iter(self._metas(key, lambda row: read(row["value"] or None))), None)

    def _metas(self, key: str, decode: Callable[[dict[str, Any]], T]) -> list[T]:
        return self.database.decoded("meta", decode, "select key, value from meta where key = ?", [key])

    def remember(self, key: str, value: str) -> None:
        """Keep a word."""
        self.database.execute("insert or replace into meta (key, value) values (?, ?)", [key, value])

    def forget_up_to_date(self) -> None:
        """Have the next run look at everything: what a status says has changed."""
        self.database.execute("delete from meta where key = 'trusted'")

    @classmethod
    def _connect(cls, layout: Layout, *, several_threads: bool = False, copy_seconds: float = math.inf) -> Self:
        database = _database(layout, several_threads=several_threads)
        try:
            with translated(layout):
                bring_up_to_date(database, layout.database, partial(copied_before, layout, database, copy_seconds))
                return cls(layout, database, checked_sealer(layout, database))
        except BaseException:
            database.close()
            raise


def _instants(row: dict[str, Any]) -> dict[str, datetime]:
    return {name: read_known(at) for name, at in dict(json.loads(row["value"])).items()}


def _create(path: Path) -> None:
    """SQLite gives its other files the mode of the database, so that is right before they come."""
    try:
        write_new(path, b"", mode=0o600)
    except FileExistsError:
        return  # another process was quicker
    except OSError as error:
        raise state_unwritable(path, error) from error


def _find(layout: Layout) -> None:
    """Raise `NoStateYet` where there never was a database, `DatabaseLost`, `StateUnwritable` where this user may not see it."""
    look_at_files(layout)
    try:
        layout.database.stat()
    except FileNotFoundError as error:
        refuse_without_mount(layout)
        refuse_to_forget(layout)
        raise NoStateYet(str(layout.database)) from error
    except OSError as error:
        raise state_unwritable(layout.private, error) from error


def _database(layout: Layout, *, several_threads: bool = False) -> Connection:
    """Open the database for writing."""
    look_at_files(layout)
    with translated(layout):
        database = Connection.open(layout.database, several_threads=several_threads)
        try:
            database.sqlite_utils.enable_wal()
            database.execute("PRAGMA synchronous=FULL")
        except BaseException:
            database.close()
            raise
    return database
