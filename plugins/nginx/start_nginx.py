"""Start of nginx after one that was killed and has left its UNIX sockets behind.

nginx removes them when it ends; after SIGKILL, a crash or the OOM killer they stay, and the next start ends in
"bind() failed (98: Address already in use)", while ``nginx -t`` ignores just that. Where only the master was killed, its
workers go on serving what they have and keep the ports: they are told to end as at a reload, with their connections.
Called as ``python -m plugins.nginx.start_nginx PATTERN... -- PROGRAM ARGUMENT...``, with patterns of the sockets' paths.
"""

from __future__ import annotations

import glob
import os
import signal
import socket
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

ACCEPTS = 0x10000
"""Flag of a socket that listens (__SO_ACCEPTCON)."""
GRACE = 5.0
"""Seconds for workers to close the ports, which they do at once."""
PAUSE = 0.02
NOT_FOUND = 127


def remove_stale(patterns: Iterable[str]) -> None:
    """Remove the sockets that refuse a connection: no process listens there."""
    for path in (Path(each) for pattern in patterns for each in glob.glob(pattern)):  # noqa: PTH207
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            try:
                client.connect(os.fspath(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                continue  # not there, or not ours to remove: nginx will say so


def end_orphans(patterns: Sequence[str]) -> None:
    """End the workers of a master that was killed, which are known by our sockets, and wait until they have let go of them.

    A master has them open as well: where one lives, nothing is done, and nginx says that the port is taken.
    """
    holders = _holders(_listening(patterns))
    if not holders or any(_is_master(pid) for pid in holders):
        return
    for pid in holders:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGQUIT)
    deadline = time.monotonic() + GRACE
    while _holders(_listening(patterns)) and time.monotonic() < deadline:
        time.sleep(PAUSE)


def _listening(patterns: Iterable[str]) -> set[str]:
    """Return the inodes of the sockets that listen at our paths (proc(5): /proc/net/unix)."""
    found = set()
    for line in Path("/proc/net/unix").read_text(errors="replace").splitlines()[1:]:
        _, _, _, flags, _, _, inode, *path = line.split(maxsplit=7)
        if int(flags, 16) & ACCEPTS and path and any(fnmatchcase(path[0], pattern) for pattern in patterns):
            found.add(inode)
    return found


def _holders(inodes: Collection[str]) -> set[int]:
    """Return the processes that have one of these sockets open.

    What runs below another root may have sockets of the same paths: the kernel's list knows nothing of roots.
    """
    wanted = {f"socket:[{inode}]" for inode in inodes}
    found = (each for each in Path("/proc").glob("[0-9]*") if wanted and wanted & _opened(each))
    return {int(each.name) for each in found if _has_our_root(each)}


def _has_our_root(process: Path) -> bool:
    with suppress(OSError):
        return (process / "root").samefile("/")
    return False


def _opened(process: Path) -> set[str]:
    found = set()
    with suppress(OSError):
        for each in os.listdir(process / "fd"):  # noqa: PTH208 - of each process of the machine
            with suppress(OSError):  # closed meanwhile
                found.add(os.readlink(f"{process}/fd/{each}"))  # noqa: PTH115
    return found


def _is_master(pid: int) -> bool:
    """Whether a process is an nginx that isn't a worker: it says so in its title."""
    with suppress(OSError):
        return not Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"nginx: worker")
    return False


def main(arguments: Sequence[str]) -> None:
    """Clean up, then become the program after ``--``."""
    mark = arguments.index("--")
    end_orphans(arguments[:mark])
    remove_stale(arguments[:mark])
    program = list(arguments[mark + 1 :])
    try:
        os.execvp(program[0], program)  # noqa: S606 - an argument list, no shell
    except FileNotFoundError:
        sys.stderr.write(f"{program[0]} is not installed\n")
        sys.exit(NOT_FOUND)


if __name__ == "__main__":
    main(sys.argv[1:])
