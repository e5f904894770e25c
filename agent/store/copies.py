"""Copies of the database: whole, checked, sealed with the master key, the last seven and the one before the last upgrade.

A copy is a row of chunks. Each is compressed, encrypted and authenticated with its number, whether it is the last one, and a
random name of the copy: none can be changed, left out, or taken from another copy.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from agent.errors.store import CopyFailed, SealBroken, StoreError
from agent.store.connection import Connection
from agent.store.sealing import Sealer, read_master_key
from agent.system.clock import Clock
from agent.system.layout import Layout
from agent.system.trust import opened_regular
from agent.system.writing import flush_directory, make_directory, write_new

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
    try:
        make_directory(directory_of(layout), mode=0o700)
        _tidy(directory_of(layout))
        _check_room(layout)
        made = _made(layout, database, sealer, kind, now)
        prune(layout)
    except OSError as error:
        raise CopyFailed(str(directory_of(layout)), (error.strerror or str(error)).lower()) from error
    except sqlite3.Error as error:
        raise CopyFailed(str(layout.database), str(error)) from error
    return made


def copy_before_upgrade(layout: Layout, database: Connection) -> None:
    """Copy a database that is about to be brought up to date; where that can't be done, it goes on: a renewal may be due."""
    with contextlib.suppress(StoreError):
        sealer = Sealer(partial(read_master_key, layout.master_key))
        make_copy(layout, database, sealer, UPGRADE, Clock(layout.root)())


def _made(layout: Layout, database: Connection, sealer: Sealer, kind: str, now: datetime) -> Copy:
    directory = directory_of(layout)
    plain = directory / f".{secrets.token_hex(4)}.new"
    write_new(plain, b"", mode=0o600)
    try:
        database.execute("VACUUM INTO ?", [str(plain)])
        if found := check(plain):
            raise CopyFailed(str(layout.database), found)
        number = max((each.number for each in copies(layout)), default=0) + 1
        path = directory / f"{number:06}-{now.astimezone(UTC):{STAMP}}-{kind}.copy"
        with plain.open("rb") as source:
            _write(path, source, sealer, {"made_at": now.isoformat(), "kind": kind})
    finally:
        plain.unlink(missing_ok=True)
    return Copy(path, number, now, kind)


def check(path: Path) -> str:
    """Return what SQLite says of a database that is not whole; empty: all is well."""
    database = sqlite3.connect(path, isolation_level=None)
    try:
        lines = [str(row[0]) for row in database.execute("PRAGMA quick_check(1)")]
    except sqlite3.Error as error:
        return str(error)
    finally:
        database.close()
    return "" if lines == ["ok"] else lines[0]


def prune(layout: Layout) -> None:
    """Remove the oldest copies."""
    for kind, kept in KEPT.items():
        for each in [copy for copy in copies(layout) if copy.kind == kind][kept:]:
            each.path.unlink(missing_ok=True)


def _tidy(directory: Path) -> None:
    """Remove what a run that was killed has left. Only one makes copies at a time: it holds the lock."""
    for path in directory.glob(".*.new*"):
        path.unlink(missing_ok=True)


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


def _write(path: Path, source: BinaryIO, sealer: Sealer, header: dict[str, str]) -> None:
    """Write a copy under another name, flush it, and rename it."""
    beside = path.with_name(f".{path.name}.new")
    name = secrets.token_hex(16)
    write_new(beside, b"", mode=0o600)
    with beside.open("wb") as target:
        target.write(MAGIC + name.encode() + b"\n")
        chunk, number = json.dumps(header).encode(), 0
        while True:
            following = source.read(CHUNK)
            _put(target, sealer.seal(zlib.compress(chunk, 1), _context(name, number, last=not following)))
            if not following:
                break
            chunk, number = following, number + 1
        target.flush()
        os.fsync(target.fileno())
    beside.rename(path)
    flush_directory(path.parent)


def _put(target: BinaryIO, sealed: bytes) -> None:
    target.write(len(sealed).to_bytes(4) + sealed)


def _context(name: str, number: int, *, last: bool) -> str:
    return f"copy {name} chunk {number}{' last' if last else ''}"


def open_copy(copy: Copy, sealer: Sealer, target: Path) -> datetime:
    """Write the database of a copy to `target`, a new file of mode 0600, and return when it was made.

    Raises `CopyFailed` where it was damaged, changed, cut off, or sealed with another master key.
    """
    write_new(target, b"", mode=0o600)
    try:
        with opened_regular(copy.path) as source, target.open("wb") as file:
            chunks = _chunks(source, sealer)
            header: dict[str, Any] = json.loads(next(chunks))
            made_at = datetime.fromisoformat(header["made_at"])
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except SealBroken as error:
        raise CopyFailed(str(copy.path), "it was damaged, or sealed with another master key") from error
    except (ValueError, KeyError, StopIteration, zlib.error) as error:
        raise CopyFailed(str(copy.path), "it is no copy of a database, or not a whole one") from error
    except OSError as error:
        raise CopyFailed(str(copy.path), (error.strerror or str(error)).lower()) from error
    if found := check(target):
        raise CopyFailed(str(copy.path), found)
    return made_at


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
