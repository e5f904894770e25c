"""Sockets of this machine at which somebody listens, from the kernel (sock_diag(7)), and whose they are. Cheap to import."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Collection, Iterator
from itertools import islice

from agent.system.netlink import dump

SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
"""The protocol, and its question."""
QUESTION = struct.Struct("=BBBxI48x")
"""``struct inet_diag_req_v2``: family, protocol, extensions, states; any address."""
PORT, ADDRESS, INODE = 4, 8, 68
"""Offsets in ``struct inet_diag_msg``; port and address are in network order."""
TCP_LISTEN, UDP_BOUND = 1 << 10, 1 << 7
KINDS = ((socket.IPPROTO_TCP, TCP_LISTEN), (socket.IPPROTO_UDP, UDP_BOUND))
MOST_FILES = 1024
"""Files of one process that are looked at, those that it opened first: a server has its sockets among them."""
PATIENCE = 2.0
"""Seconds for all of them: any user may have as many processes and files as he likes."""
FIRST_PERSON = 1000
"""Number from which users are people, not the system's (UID_MIN in login.defs(5))."""

Listener = tuple[int, int, bytes, int]
"""Protocol (IPPROTO_TCP or IPPROTO_UDP), port, packed address, inode."""


def listeners(ports: Collection[int]) -> list[Listener]:
    """Return the sockets that listen at one of `ports`, sorted. Raises OSError, where the kernel tells nothing."""
    return sorted(each for kind in KINDS for each in _of(*kind) if each[1] in ports)


def processes_of(inodes: Collection[int], patience: float = PATIENCE) -> dict[int, str]:
    """Return the processes that have one of these sockets open: number -> name, the parents first.

    Those of other users are seen by root only. When `patience` has run out, the rest isn't looked at; people's processes
    are the last ones.
    """
    wanted = {f"socket:[{inode}]" for inode in inodes}
    deadline = time.monotonic() + patience
    found: dict[int, str] = {}
    for pid in pids_by_user() if wanted else ():
        if time.monotonic() >= deadline:
            break
        if not wanted.isdisjoint(_files(pid)):
            found[pid] = _name(pid)
    return dict(sorted(found.items()))


def pids_by_user() -> list[int]:
    """Return all processes, those of the system before those of people."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdecimal())  # noqa: PTH208 - cheap to import
    return sorted(pids, key=lambda pid: (user_of(pid) >= FIRST_PERSON, pid))


def user_of(pid: int) -> int:
    """Return whose process it is. What its directory's owner says is root where it may not be traced."""
    try:
        with open(f"/proc/{pid}/status") as file:  # noqa: PTH123
            return next(int(line.split()[1]) for line in file if line.startswith("Uid:"))
    except (OSError, StopIteration):
        return FIRST_PERSON  # it has ended


def _of(protocol: int, states: int) -> Iterator[Listener]:
    for family, size in ((socket.AF_INET, 4), (socket.AF_INET6, 16)):
        for answer in dump(SOCK_DIAG, SOCK_DIAG_BY_FAMILY, QUESTION.pack(family, protocol, 0, states)):
            (port,) = struct.unpack_from("!H", answer, PORT)
            (inode,) = struct.unpack_from("=I", answer, INODE)
            yield protocol, port, answer[ADDRESS : ADDRESS + size], inode


def _files(pid: int) -> Iterator[str]:
    directory = f"/proc/{pid}/fd"
    try:
        with os.scandir(directory) as entries:
            names = [entry.name for entry in islice(entries, MOST_FILES)]
    except OSError:
        return  # it has ended, or is somebody else's
    for name in names:
        try:
            yield os.readlink(f"{directory}/{name}")  # noqa: PTH115
        except OSError:
            continue


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as file:  # noqa: PTH123
            return file.read().strip()
    except OSError:
        return ""
