"""A full disk is told from a damaged file."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from agent.store.full_disk import is_for_lack_of_room


def failure(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_CORRUPT, False),
        (sqlite3.SQLITE_NOTADB, False),
        (sqlite3.SQLITE_IOERR, False),
        (sqlite3.SQLITE_CANTOPEN, False),
    ],
)
def test_where_there_is_room_only_sqlite_says_that_there_is_none(tmp_path: Path, code: int, expected: bool):
    assert is_for_lack_of_room(failure(code), tmp_path / "agent.db") is expected


def file_system(blocks: int, free: int, files: int, more: int) -> os.statvfs_result:
    return os.statvfs_result((4096, 4096, blocks, free, free, files, more, more, 0, 255))


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_CANTOPEN])
@pytest.mark.parametrize(
    ("room", "expected"),
    [
        (file_system(100, 0, 100, 50), True),
        (file_system(100, 50, 100, 0), True),
        (file_system(100, 50, 100, 50), False),
        (file_system(0, 0, 0, 0), False),
    ],
    ids=["no block", "no inode", "room", "no size"],
)
def test_what_can_t_be_made_where_nothing_is_free_is_for_lack_of_room(
    code: int, room: os.statvfs_result, expected: bool
):
    database = Path("/state/agent.db")
    assert is_for_lack_of_room(failure(code), database, lambda _: room) is expected
    assert not is_for_lack_of_room(failure(sqlite3.SQLITE_CORRUPT), database, lambda _: room)


def test_an_error_without_a_code_is_none_of_it(tmp_path: Path):
    assert not is_for_lack_of_room(sqlite3.ProgrammingError("closed"), tmp_path / "agent.db")
