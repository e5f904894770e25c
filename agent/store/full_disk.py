"""Whether SQLite fails for lack of room, or as nothing may be written: that is no damage, and a backup is no cure."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

PRIMARY = 0xFF
"""Bits of an extended result code that are the primary one."""
OF_THE_FILE = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
"""What SQLite also says where it can't make its log or the index of that, and of the copy that is looked at then."""


def is_for_lack_of_room(
    error: sqlite3.Error, database: Path, room_at: Callable[[Path], os.statvfs_result] = os.statvfs
) -> bool:
    """Whether it says so, or can't make a file where nothing is free."""
    code = getattr(error, "sqlite_errorcode", 0) & PRIMARY
    return code == sqlite3.SQLITE_FULL or (code in OF_THE_FILE and _is_full(database.parent, room_at))


def can_make_files(directory: Path) -> bool:
    """Whether a file system has room for files, and may be written to."""
    return not _is_full(directory, os.statvfs) and not is_read_only(directory)


def is_read_only(directory: Path) -> bool:
    """Whether a file system is mounted read-only."""
    try:
        return bool(os.statvfs(directory).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _is_full(directory: Path, room_at: Callable[[Path], os.statvfs_result]) -> bool:
    """Whether no block or no inode is free there; what has no size, such as ramfs, never is."""
    try:
        room = room_at(directory)
    except OSError:
        return False
    return (room.f_blocks > 0 and room.f_bavail == 0) or (room.f_files > 0 and room.f_favail == 0)
