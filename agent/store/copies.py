"""Copies of the database: whole, checked, sealed with the master key, the last seven and the one before the last upgrade.

A copy is a row of chunks. Each is compressed, encrypted and authenticated with its number, whether it is the last one, and a
random name of the copy: none can be changed, left out, or taken from another copy.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import re
import secrets
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from agent.errors.store import CopyFailed, SealBroken
from agent.store.connection import Connection
from agent.store.integrity import first_fault
from agent.store.sealing import Sealer
from agent.system.layout import Layout
from agent.system.leftovers import remove_if_old
from agent.system.obstacles import state_unwritable
from agent.system.paths import database_uri
from agent.system.trust import opened_regular
from agent.system.writing import created, make_directory, write_new

MAGIC = b"chainwright copy 1\n"
CHUNK = 1024 * 1024
"""Bytes of the database in one chunk."""
MOST_SEALED = 2 * CHUNK
NAME = re.compile(r"(\d{6,})-(\d{8}T\d{6}Z)-(daily|upgrade)\.copy")
STAMP = "%Y%m%dT%H%M%SZ"
DAILY, UPGRADE = "daily", "upgrade"
KEPT = {DAILY: 7, UPGRADE: 1}
"""Files of each kind."""
RESERVE = 64 * 1024 * 1024
"""Bytes that a copy leaves free."""
SHARE = 10
"""It leaves this part of the disk free as well: one in so many."""
PATIENCE = 10.0
"""Seconds for which another process is waited for that makes a copy."""
POLL_INTERVAL = 0.05
NO_COPY = "it is no copy of a database, or not a whole one"
STEPS = 10_000
"""Instructions of SQLite's virtual machine between two looks at the time."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy as its name tells: nothing of it was checked."""

    path: Path
    number: int
    """Grows with each copy, whatever the clock says."""
    made_at: datetime
    kind: str


def directory_of(layout: Layout) -> Path:
    """Return where copies are: 0700, each 0600."""
    return layout.private / "copies"


def copies(layout: Layout) -> list[Copy]:
    """Return the copies, the newest first."""
    found = []
    with contextlib.suppress(OSError):
        for path in directory_of(layout).iterdir():
            match = NAME.fullmatch(path.name)
            if match and path.is_file():
                with contextlib.suppress(ValueError):
                    at = datetime.strptime(match[2], STAMP).replace(tzinfo=UTC)
                    found.append(Copy(path, int(match[1]), at, match[3]))
    return sorted(found, key=lambda each: each.number, reverse=True)


def make_copy(layout: Layout, database: Connection, sealer: Sealer, kind: str, now: datetime) -> Copy:
    """Copy the database and check the copy, in no transaction; the oldest of its kind go. Raises `CopyFailed`, `StoreError`."""
    with alone(layout):
        return make_copy_alone(layout, database, sealer, kind, now)


@contextmanager
def alone(layout: Layout, wait: float = PATIENCE) -> Iterator[None]:
    """Be the only process that makes copies, and numbers them. Raises `CopyFailed`: another one is at it for `wait` seconds."""
    directory = directory_of(layout)
    with contextlib.ExitStack() as opened:
        try:
            make_directory(directory, mode=0o700)
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, descriptor)
            _lock(descriptor, wait)
        except TimeoutError as error:
            raise CopyFailed(str(directory), "another process is making one") from error
        except OSError as error:
            raise CopyFailed(str(directory), (error.strerror or str(error)).lower()) from error
        yield


def _lock(descriptor: int, wait: float) -> None:
    deadline = time.monotonic() + wait
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise TimeoutError from error
        time.sleep(POLL_INTERVAL)


def make_copy_alone(
    layout: Layout, database: Connection, sealer: Sealer, kind: str, now: datetime, deadline: float = math.inf
) -> Copy:
    """Do the same as `make_copy`, within `alone`. `deadline`: when it is given up (monotonic)."""
    try:
        _tidy(layout)
        _check_room(layout)
        made = _made(layout, database, sealer, kind, now, deadline)
        prune(layout)
    except OSError as error:
        raise CopyFailed(str(directory_of(layout)), (error.strerror or str(error)).lower()) from error
    except sqlite3.Error as error:
        raise CopyFailed(str(layout.database), str(error)) from error
    return made


def _made(layout: Layout, database: Connection, sealer: Sealer, kind: str, now: datetime, deadline: float) -> Copy:
    directory = directory_of(layout)
    plain = directory / f".{secrets.token_hex(4)}.new"
    write_new(plain, b"", mode=0o600)
    try:
        with _bounded(database, deadline):
            database.execute("VACUUM INTO ?", [str(plain)])
        if found := check(plain, deadline):
            raise CopyFailed(str(layout.database), found)
        number = max((each.number for each in copies(layout)), default=0) + 1
        path = directory / f"{number:06}-{now.astimezone(UTC):{STAMP}}-{kind}.copy"
        with plain.open("rb") as source:
            _write(path, source, sealer, {"made_at": now.isoformat(), "kind": kind}, deadline)
    finally:
        plain.unlink(missing_ok=True)
    return Copy(path, number, now, kind)


@contextmanager
def _bounded(database: sqlite3.Connection, deadline: float) -> Iterator[None]:
    """Have SQLite give up with "interrupted" when the deadline is there."""
    database.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
    try:
        yield
    finally:
        database.set_progress_handler(None, 0)


def check(path: Path, deadline: float = math.inf) -> str:
    """Return what SQLite says of a database that is not whole, or why it is none; empty: all is well. Nothing is made."""
    try:
        database = sqlite3.connect(database_uri(str(path), read_only=True), uri=True, isolation_level=None)
    except sqlite3.Error as error:
        return str(error)
    try:
        with _bounded(database, deadline):
            lines = [str(row[0]) for row in database.execute("PRAGMA quick_check(1)")]
        if database.execute("select 1 from sqlite_schema limit 1").fetchone() is None:
            return "there is nothing in it"
    except sqlite3.Error as error:
        return str(error)
    finally:
        database.close()
    return "" if lines == ["ok"] else first_fault(lines[0])


def prune(layout: Layout) -> None:
    """Remove the oldest copies."""
    for kind, kept in KEPT.items():
        for each in [copy for copy in copies(layout) if copy.kind == kind][kept:]:
            each.path.unlink(missing_ok=True)


def _tidy(layout: Layout) -> None:
    """Remove what a run that was killed has left: what is young may be of a release that makes copies without `alone`."""
    for path in directory_of(layout).glob(".*"):
        remove_if_old(path, layout.root)


def _check_room(layout: Layout) -> None:
    size = layout.database.stat().st_size
    with contextlib.suppress(OSError):
        size += layout.database.with_name(f"{layout.database.name}-wal").stat().st_size
    room = os.statvfs(directory_of(layout))
    free, whole = room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize
    least = 2 * size + min(RESERVE, whole // SHARE)
    if whole and free < least:
        raise CopyFailed(
            str(directory_of(layout)), f"{least // 1_000_000 + 1} MB have to be free, and {free // 1_000_000} are"
        )


def _write(path: Path, source: BinaryIO, sealer: Sealer, header: dict[str, str], deadline: float) -> None:
    """Write a copy, which is there once it is whole."""
    name = secrets.token_hex(16)
    with created(path) as target:
        target.write(MAGIC + name.encode() + b"\n")
        chunk, number = json.dumps(header).encode(), 0
        while True:
            if time.monotonic() > deadline:
                raise CopyFailed(str(path), "it takes too long")
            following = source.read(CHUNK)
            _put(target, sealer.seal(zlib.compress(chunk, 1), _context(name, number, last=not following)))
            if not following:
                break
            chunk, number = following, number + 1


def _put(target: BinaryIO, sealed: bytes) -> None:
    target.write(len(sealed).to_bytes(4) + sealed)


def _context(name: str, number: int, *, last: bool) -> str:
    return f"copy {name} chunk {number}{' last' if last else ''}"


def open_copy(copy: Copy, sealer: Sealer, target: Path) -> datetime:
    """Write the database of a copy to `target`, a new file of mode 0600, and return when it was made.

    Raises `CopyFailed` where it was damaged, changed, cut off, or sealed with another master key; `StateUnwritable` where there
    is no room for it, say: that is nothing against the copy.
    """
    chunks = _readable(copy, sealer)
    made_at = _made_at(copy, chunks)
    try:
        write_new(target, b"", mode=0o600)
        with target.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise state_unwritable(target, error) from error
    if found := check(target):
        raise CopyFailed(str(copy.path), found)
    return made_at


def _made_at(copy: Copy, chunks: Iterator[bytes]) -> datetime:
    try:
        header: dict[str, Any] = json.loads(next(chunks))
        return datetime.fromisoformat(header["made_at"])
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise CopyFailed(str(copy.path), NO_COPY) from error


def _readable(copy: Copy, sealer: Sealer) -> Iterator[bytes]:
    """Yield the chunks of a copy, the header first. Raises `CopyFailed`."""
    try:
        with opened_regular(copy.path) as source:
            yield from _chunks(source, sealer)
    except SealBroken as error:
        raise CopyFailed(str(copy.path), "it was damaged, or sealed with another master key") from error
    except (ValueError, zlib.error) as error:
        raise CopyFailed(str(copy.path), NO_COPY) from error
    except OSError as error:
        raise CopyFailed(str(copy.path), (error.strerror or str(error)).lower()) from error


def _chunks(source: BinaryIO, sealer: Sealer) -> Iterator[bytes]:
    if source.read(len(MAGIC)) != MAGIC:
        raise ValueError("no copy")
    name = source.read(33)[:32].decode("ascii")
    number, sealed = 0, _next(source)
    while sealed:
        following = _next(source)
        opener = zlib.decompressobj()
        chunk = opener.decompress(sealer.open(sealed, _context(name, number, last=not following)), CHUNK + 1)
        if len(chunk) > CHUNK or not opener.eof:
            raise ValueError("too large a chunk")
        yield chunk
        number, sealed = number + 1, following


def _next(source: BinaryIO) -> bytes:
    """Return the next sealed chunk; empty: there is none."""
    head = source.read(4)
    if not head:
        return b""
    size = int.from_bytes(head)
    chunk = source.read(size) if size <= MOST_SEALED else b""
    if len(head) < 4 or not chunk or len(chunk) < size:
        raise ValueError("cut off, or too large a chunk")
    return chunk
