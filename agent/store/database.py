"""Opening the database, its transactions, and the tables that stand on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from agent.errors.store import (
    DatabaseLost,
    DatabaseRefused,
    DatabaseTooNew,
    MasterKeyWrong,
    NoStateYet,
    SealBroken,
    StateUnwritable,
)
from agent.store.account_keys import AccountKeys
from agent.store.chains import Chains
from agent.store.deployments import Deployments
from agent.store.endpoints import Endpoints
from agent.store.events import Journal
from agent.store.failing_names import FailingNames
from agent.store.jobs import Jobs
from agent.store.ledger import Ledger
from agent.store.modules import Modules
from agent.store.orders import Orders
from agent.store.peers import Peers
from agent.store.revocations import Revocations
from agent.store.roots import Roots
from agent.store.sealing import Sealer, create_master_key, master_key_path, read_master_key
from agent.store.source_memory import Memories
from agent.store.watches import Watches
from agent.system.layout import Layout
from agent.system.writing import make_directory, write_new

if TYPE_CHECKING:
    from sqlite_utils import Database

BUSY_SECONDS = 10
KEY_CHECK = "chainwright master key"


class Store:
    """One connection. Not for use by several threads: each opens its own with `again`."""

    def __init__(self, layout: Layout, database: Database, sealer: Sealer) -> None:
        self.layout = layout
        self.database = database
        self.sealer = sealer

    @classmethod
    def open(cls, layout: Layout) -> Self:
        """Open the store for writing, creating it at the very first run. Raises `StoreError`."""
        try:
            make_directory(_with_parents(layout.state), mode=0o711)
            make_directory(layout.private, mode=0o700)
        except OSError as error:
            raise StateUnwritable(str(layout.state), (error.strerror or str(error)).lower()) from error
        if not layout.database.exists():
            _refuse_to_forget(layout)
            _create(layout.database)
        return cls._connect(layout)

    @classmethod
    def open_existing(cls, layout: Layout) -> Self:
        """Open the store of an earlier run, for a command that only looks. Raises `NoStateYet` when there is none."""
        try:
            layout.database.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NoStateYet(str(layout.database)) from error
        except OSError as error:
            raise StateUnwritable(str(layout.private), (error.strerror or str(error)).lower()) from error
        return cls._connect(layout)

    def again(self, *, several: bool = False) -> Store:
        """Open another connection to the same database, for another thread; `several`: which take turns."""
        return Store(self.layout, _database(self.layout.database, several=several), self.sealer)

    def close(self) -> None:
        """Close the connection."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def write(self) -> Iterator[None]:
        """Make what happens inside one durable transaction; inside another one, a part of it.

        Raises `DatabaseRefused` when the disk is full, or another writer doesn't come to an end.
        """
        if self.in_transaction:
            yield
            return
        with _translated(self.layout.database):
            try:
                with _transaction(self.database):
                    yield
            except BaseException:
                self._forget()
                raise

    @contextmanager
    def part(self) -> Iterator[None]:
        """Make what happens inside a part of the transaction that is undone alone when it fails.

        Raises `DatabaseRefused`; when `in_transaction` is false afterwards, the whole transaction was undone.
        """
        with _translated(self.layout.database):
            self.database.execute("savepoint part")
            try:
                yield
                self.database.execute("release part")
            except BaseException:
                self._forget()
                if self.in_transaction:  # SQLite has undone everything when the disk is full
                    self.database.execute("rollback to part")
                    self.database.execute("release part")
                raise

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open on this connection."""
        return self.database.conn.in_transaction

    def _forget(self) -> None:
        """What was read inside of a transaction that was undone has never been."""
        self.chains.forget()
        self.deployments.forget()

    @cached_property
    def roots(self) -> Roots:
        """Own roots, the present one and those before it."""
        return Roots(self.database, self.sealer, self.layout.private)

    @cached_property
    def chains(self) -> Chains:
        """Chains with their sealed keys."""
        return Chains(self.database, self.sealer)

    @cached_property
    def peers(self) -> Peers:
        """Peer certificates, without keys."""
        return Peers(self.database)

    @cached_property
    def revocations(self) -> Revocations:
        """What own roots have revoked, and their lists."""
        return Revocations(self.database)

    @cached_property
    def orders(self) -> Orders:
        """Dealings with sources."""
        return Orders(self.database, self.sealer)

    @cached_property
    def memories(self) -> Memories:
        """What sources remember."""
        return Memories(self.database, self.sealer)

    @cached_property
    def ledger(self) -> Ledger:
        """When sources did what."""
        return Ledger(self.database)

    @cached_property
    def account_keys(self) -> AccountKeys:
        """The ACME account key, the one that is to follow, and those before."""
        return AccountKeys(self.database, self.sealer, self.layout.private)

    @cached_property
    def watches(self) -> Watches:
        """What is known of bound chains beyond themselves."""
        return Watches(self.database)

    @cached_property
    def failing(self) -> FailingNames:
        """Names that a CA could not validate lately."""
        return FailingNames(self.database)

    @cached_property
    def modules(self) -> Modules:
        """Modules, their needs and bindings."""
        return Modules(self.database)

    @cached_property
    def deployments(self) -> Deployments:
        """Generations, transactions and refusals."""
        return Deployments(self.database)

    @cached_property
    def endpoints(self) -> Endpoints:
        """What is seen on the wire."""
        return Endpoints(self.database)

    @cached_property
    def jobs(self) -> Jobs:
        """What somebody set going."""
        return Jobs(self.database)

    @cached_property
    def journal(self) -> Journal:
        """Events."""
        return Journal(self.database)

    def meta(self, key: str) -> str | None:
        """Return a remembered word."""
        row = self.database.execute("select value from meta where key = ?", [key]).fetchone()
        return row[0] if row else None

    def remember(self, key: str, value: str) -> None:
        """Keep a word."""
        self.database.table("meta").upsert({"key": key, "value": value}, pk="key")

    @classmethod
    def _connect(cls, layout: Layout) -> Self:
        database = _database(layout.database)
        try:
            with _translated(layout.database):
                _migrate(database, layout.database)
                return cls(layout, database, _sealer(layout, database))
        except BaseException:
            database.close()
            raise


def _with_parents(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _create(path: Path) -> None:
    """SQLite gives its other files the mode of the database, so that is right before they come."""
    try:
        write_new(path, b"", mode=0o600)
    except FileExistsError:
        return  # another process was quicker
    except OSError as error:
        raise StateUnwritable(str(path), (error.strerror or str(error)).lower()) from error


def _database(path: Path, *, several: bool = False) -> Database:
    from sqlite_utils import Database

    with _translated(path):
        # Plugins of sqlite-utils are other people's code: they have no business in a daemon that runs as root.
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=not several)
        database = Database(connection, execute_plugins=False)
        try:
            database.enable_wal()
            database.execute("PRAGMA synchronous=FULL")
        except BaseException:
            database.close()
            raise
    return database


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DatabaseRefused(str(path), str(error)) from error


@contextmanager
def _transaction(database: Database) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")  # a deferred one that reads first fails at once beside another writer
    try:
        yield
        database.commit()
    except BaseException:
        database.rollback()
        raise


def _migrate(database: Database, path: Path) -> None:
    from agent.store import migrations as steps

    migrations = steps.migrations
    unknown = [step.name for step in migrations.applied(database) if step.name not in vars(steps)]
    if unknown:
        raise DatabaseTooNew(str(path), ", ".join(sorted(unknown)))
    if migrations.pending(database):
        with _transaction(database):  # another process may be at it as well
            migrations.apply(database)


def _refuse_to_forget(layout: Layout) -> None:
    """A lost database must not lead to a new root in silence: every client would distrust the appliance."""
    for found in (*layout.private.glob("root-*.sealed"), *layout.modules.glob("*/live")):
        raise DatabaseLost(str(layout.database), str(found))


def _sealer(layout: Layout, database: Database) -> Sealer:
    row = database.execute("select value from meta where key = 'key_check'").fetchone()
    if row is None:
        return _first_sealer(layout, database)
    sealer = Sealer(read_master_key(layout.master_key))
    try:
        sealer.open(bytes.fromhex(row[0]), KEY_CHECK)
    except (SealBroken, ValueError) as error:
        raise MasterKeyWrong(str(master_key_path(layout.master_key))) from error
    return sealer


def _first_sealer(layout: Layout, database: Database) -> Sealer:
    _refuse_to_forget(layout)  # a database that was emptied is as lost as one that is gone
    place = master_key_path(layout.master_key)
    key = read_master_key(layout.master_key) if place.exists() else create_master_key(layout.master_key)
    sealer = Sealer(key)
    check = sealer.seal(KEY_CHECK.encode(), KEY_CHECK).hex()
    database.table("meta").upsert({"key": "key_check", "value": check}, pk="key")
    return sealer
