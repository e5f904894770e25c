"""Observation of nginx: whether it runs the entry in service, of the main file that names it.

Called as ``python -m plugins.nginx.observe NUMBER SOCKET PID_FILE MAIN_FILE``. It changes nothing. An nginx that doesn't run, or
can't be asked, is told of by those who look at what serves.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

from chainwright import differs_line, finding_line
from plugins.nginx.confirm import entry_at

PATIENCE = 2.0
"""Seconds for a reload that is under way: workers are replaced one by one."""
PAUSE = 0.1
TITLE = "nginx: master process "
"""Of nginx's master, in front of the command line that it was started by."""
MAIN_FILE = re.compile(r"(?:^|\s)-c\s*(\S+)")
LARGEST_TITLE = 4096
"""Octets."""


def main(number: str, socket: str, pid_file: str, main_file: str) -> None:
    """Print what there is to say; nothing where all is well."""
    for line in _lines(number, Path(socket), Path(pid_file), Path(main_file)):
        sys.stdout.write(f"{line}\n")


def _lines(number: str, socket: Path, pid_file: Path, main_file: Path) -> Iterator[str]:
    if (master := master_of(pid_file)) is None or not (why := _why_another(number, socket)):
        return
    pid, started_with = master
    if started_with and not _is_same(Path(started_with), main_file):
        cause = (
            f"The nginx that runs (pid {pid}) was started with {started_with}, not with {main_file}:"
            " it serves nothing of the agent's."
        )
        fix = (
            f"End it (kill -QUIT {pid}) and start nginx with {main_file}: a reload does not change which file it reads."
        )
        yield finding_line("main file", "error", cause, fix)
    else:
        yield differs_line(why, "See what nginx's own error log says of its last reload.")


def _why_another(number: str, socket: Path) -> str:
    """Return how what runs isn't the entry, a clause; empty: it is, or nobody can tell."""
    deadline = time.monotonic() + PATIENCE
    while (why := _difference(number, socket)) and time.monotonic() < deadline:
        time.sleep(PAUSE)
    return why


def _difference(number: str, socket: Path) -> str:
    try:
        found = entry_at(str(socket))
    except (HTTPException, ValueError, KeyError, TimeoutError):
        return ""
    except OSError:  # a socket that was deleted under nginx is one that it still has
        return "" if _is_bound(socket) else "nginx runs a configuration without the agent's part"
    return "" if str(found) == number else f"nginx runs entry {found} of the agent's, not {number}"


def _is_bound(socket: Path) -> bool:
    """Whether a process listens at a UNIX socket, if its file is there or not (proc_net(5))."""
    try:
        lines = Path("/proc/net/unix").read_text(errors="replace").splitlines()
    except OSError:
        return True
    return any(line.endswith(f" {socket}") for line in lines)


def master_of(pid_file: Path) -> tuple[int, str] | None:
    """Return the number of nginx's master, and the main file that it was started with; empty: the one compiled in."""
    try:
        pid = int(pid_file.read_text()[:20])
        with Path(f"/proc/{pid}/cmdline").open("rb") as file:
            title = file.read(LARGEST_TITLE).rstrip(b"\0").decode(errors="replace")
    except (OSError, ValueError):
        return None
    if not title.startswith(TITLE):
        return None
    named = MAIN_FILE.search(title.removeprefix(TITLE))
    return pid, named.group(1) if named else ""


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


if __name__ == "__main__":
    main(*sys.argv[1:])
