"""Copies of a database to look at: what a killed process has left of one is removed by the next."""

import os
import sqlite3
import tempfile
from pathlib import Path

from agent.store.looking import PLACES, PREFIX, copied


def test_a_copy_that_a_killed_process_has_left_is_removed_and_one_in_use_is_not(tmp_path):
    database = tmp_path / "chainwright.db"
    sqlite3.connect(database).execute("create table one (a)").connection.close()
    left, used = (Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACES[0])) for _ in range(2))
    try:
        (left / "chainwright.db").write_bytes(b"of long ago")
        before = left.stat().st_mtime - 3600
        os.utime(left, (before, before))
        with copied(database) as copy:
            assert (left.exists(), used.exists(), copy.read_bytes()) == (False, True, database.read_bytes())
        assert not copy.parent.exists()
    finally:
        used.rmdir()
