"""Connections that only look: where SQLite can make no file beside the database, at a copy of it.

A database with a write-ahead log can't be read without its index, which the first reader makes: "it is not possible to open a
read-only WAL-mode database unless the -shm and -wal files exist or can be created, or it is immutable" (sqlite.org/wal.html). As
immutable it would be read without what is in the log.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agent.store.connection import Connection
from agent.store.full_disk import can_make_files
from agent.system.clock_offsets import age
from agent.system.leftovers import OLD

PLACES = ("/dev/shm", "/run", tempfile.gettempdir())  # noqa: S108 - the directory in it is made by mkdtemp
"""Where a copy is made, in memory first. Keys in it are sealed."""
PREFIX = "chainwright-copy-"


def connect_to_look(path: Path) -> Connection:
    """Open a database in one consistent state. Raises `sqlite3.Error`."""
    try:
        return _begun(Connection.open(path, read_only=True))
    except sqlite3.OperationalError:
        if can_make_files(path.parent):
            raise
        return _begun(_copied(path))


def _begun(database: Connection) -> Connection:
    try:
        database.execute("BEGIN")
        database.execute("select 1 from sqlite_schema").fetchone()
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def copied(path: Path) -> Iterator[Path]:
    """Copy a database with its log, for a while, to where nothing of the appliance's state is. Raises `sqlite3.Error`."""
    directory = _make_directory()
    try:
        _copy_files(path, directory)
        yield directory / path.name
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _copy_files(path: Path, directory: Path) -> None:
    try:
        for suffix in ("", "-wal", "-journal"):
            if os.path.isfile(f"{path}{suffix}"):  # noqa: PTH113 - of a name that is made of one
                shutil.copyfile(f"{path}{suffix}", directory / f"{path.name}{suffix}")
    except OSError as error:
        raise sqlite3.OperationalError(f"it can't be copied to {directory}: {error.strerror}") from error


def _copied(path: Path) -> Connection:
    """Open a copy, which is gone with the connection. Raises `sqlite3.Error` also where there is no place for one."""
    with copied(path) as copy:
        database = Connection.open(copy)
        database.execute("PRAGMA journal_mode=MEMORY")  # has what was in the log; nothing is written beside it now
        database.execute("PRAGMA query_only=1")
        return database


def _make_directory() -> Path:
    failed: OSError | None = None
    for place in PLACES:
        try:
            _remove_left(place)
            return Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        except OSError as error:
            failed = error
    raise sqlite3.OperationalError(f"there is no place for a copy: {failed}")


def _remove_left(place: str) -> None:
    """Remove copies that killed processes of this user have left."""
    for each in Path(place).glob(f"{PREFIX}*"):
        with suppress(OSError):
            seen = each.lstat()
            if stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.geteuid() and age(seen.st_mtime) > OLD:
                shutil.rmtree(each)
