"""Processes of postfix and their sockets, as /proc tells of them (proc(5))."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

from plugins.mail.programs import PROC

LISTENING = "0A"
"""State of a socket in ``/proc/net/tcp``."""
BEGINNING = ""
"""Name of the line of a process that the master has made and that hasn't become another program yet."""


def status(process: int) -> tuple[str, int]:
    """Return the state of a process, such as "S", and its parent (proc(5)); empty where it has ended."""
    try:
        state, parent, *_ = (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return "", 0
    return state, int(parent)


def has_work(processes: Iterable[int]) -> bool:
    """Whether any of them runs, or would if it could: all that waits for somebody else is asleep."""
    return any(status(each)[0] not in {"S", ""} for each in processes)


def serving(master: int) -> dict[int, str]:
    """Return the master's children that serve SMTP to TCP, each with the name of its line, and those that begin without one."""
    found = {}
    for process in [int(place.name) for place in PROC.glob("[0-9]*")]:
        if status(process)[1] == master:
            with suppress(OSError, ValueError, IndexError):  # it has ended meanwhile
                words = (PROC / str(process) / "cmdline").read_text().split("\0")
                if words[0] == "smtpd" and words[words.index("-t") + 1] in {"inet", "pass"}:
                    found[process] = words[words.index("-n") + 1]
                elif words[0].endswith("/master"):
                    found[process] = BEGINNING
    return found


def sockets(process: int) -> dict[str, tuple[str, str]]:
    """Return the TCP sockets of a process's network by inode, each with local address and state, as the kernel writes them."""
    found = {}
    for table in ("tcp", "tcp6"):
        for words in rows(process, table):
            found[words[9]] = words[1], words[3]
    return found


def rows(process: int, table: str) -> Iterator[list[str]]:
    """Give the rows of a table of a process's network."""
    with suppress(OSError):
        yield from map(str.split, (PROC / str(process) / "net" / table).read_text().splitlines()[1:])


def at_rest(master: int) -> set[str]:
    """Return the inodes of the sockets that a process without a session may have open: those that listen, and UNIX sockets."""
    listening = {inode for inode, (_, state) in sockets(master).items() if state == LISTENING}
    return listening | {words[6] for words in rows(master, "unix")}


def opened(process: int) -> list[str]:
    """Return the inodes of a process's sockets. Raises OSError where that is not to be seen, as without the right to trace it."""
    found = []
    for link in (PROC / str(process) / "fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(link.readlink()))
    return [each.removeprefix("socket:[").rstrip("]") for each in found if each.startswith("socket:")]


def holds_session(process: int, rest: set[str]) -> bool:
    """Whether a client is connected to a process, or was, and it is not done yet; or that is not to be seen."""
    try:
        return not rest.issuperset(opened(process))
    except FileNotFoundError:
        return False  # it has ended
    except OSError:
        return True


def address_of(text: str) -> str:
    """Return an address that the kernel writes in words of four octets, each in the machine's order."""
    words = [bytes.fromhex(text[place : place + 8]) for place in range(0, len(text), 8)]
    octets = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    if not any(octets):
        return "::1" if len(octets) == 16 else "127.0.0.1"
    return socket.inet_ntop(socket.AF_INET6 if len(octets) == 16 else socket.AF_INET, octets)
