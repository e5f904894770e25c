"""Paths under ``--root`` that are wanted before anything else is imported, and how SQLite is given one."""

import os
import stat

ETC = "etc/chainwright"
STATE = "var/lib/chainwright"
RUN = "run/chainwright"
LOG = "var/log/chainwright"
PRIVATE = f"{STATE}/private"
DATABASE = f"{PRIVATE}/chainwright.db"
MASTER_KEY = f"{PRIVATE}/master.key"


def database_uri(path: str, *, read_only: bool) -> str:
    """Return the URI with which SQLite opens a database that is there, and makes none."""
    escaped = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{escaped}?mode={'ro' if read_only else 'rw'}"


def is_regular(path: str) -> bool:
    """Whether a file is there, and not a pipe, say, for whose writer SQLite would wait."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - pathlib takes long to import
    except OSError:
        return False
