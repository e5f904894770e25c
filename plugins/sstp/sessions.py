"""Printer of the sessions of sstp-server: it starts a pppd for each session, and tells it the client's address.

Called as ``python sessions.py pid PID_FILE`` or ``python sessions.py unit UNIT``. The first line is the server's name, then there
is one line ``session ADDRESS`` for each.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NAME = "sstp-server"
PROC = Path("/proc")
SESSION = {b"notty", b"nodetach"}
"""Options of a session's pppd, of sstp-server 0.6 and 0.7."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many clients a server has addresses for."""

    how: str
    where: str
    """Where its process is found, as for `main_process`."""
    most: int

    def is_full(self) -> bool:
        """Whether every address is taken."""
        server = main_process(self.how, self.where)
        return server is not None and len(sessions(server)) >= self.most


def main_process(how: str, where: str) -> int | None:
    """Return the number of the server's process; None where it doesn't run."""
    try:
        return int(Path(where).read_text().split()[0]) if how == "pid" else _of_unit(where)
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return None


def sessions(server: int, proc: Path = PROC) -> list[str]:
    """Return the addresses of the clients, "unknown" where one isn't told."""
    return sorted(_client(words) for words in _children(server, proc) if SESSION.intersection(words))


def _of_unit(unit: str) -> int | None:
    """Zero is what systemd says of a unit that doesn't run."""
    argv = ["systemctl", "show", "--property", "MainPID", "--value", unit]
    return int(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout) or None


def _children(parent: int, proc: Path) -> Iterator[list[bytes]]:
    """Give the words of the command line of each child (proc(5): the parent is the second field after the name)."""
    for place in proc.glob("[0-9]*"):
        try:
            if int((place / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                yield (place / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            continue  # it has ended meanwhile


def _client(words: list[bytes]) -> str:
    try:
        return words[words.index(b"remotenumber") + 1].decode("ascii", "replace")
    except (ValueError, IndexError):
        return "unknown"


def main(how: str, where: str) -> None:
    """Print them."""
    server = main_process(how, where)
    lines = [NAME, *(f"session {each}" for each in (sessions(server) if server else []))]
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
