"""Another process that is in the middle of a write transaction."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("begin immediate")
print("begun", flush=True)
sys.stdin.read()
database.execute("rollback")
"""


@contextmanager
def writing(database: Path) -> Iterator[None]:
    """Keep everybody else from writing to a database."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "begun\n"
        yield
    finally:
        process.stdin.close()
        assert process.wait(20) == 0
        process.stdout.close()
