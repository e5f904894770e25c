"""Ports for the servers of tests: no two of a machine's test processes are given the same, and no client happens to use one."""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FIRST = 10_000
CLIENTS_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""The kernel takes the port of an outgoing connection from here: a free one may be gone before a server binds it."""


def free_port() -> int:
    """Return a port that is free for TCP and UDP on every address, and stays so until somebody asks for it by number."""
    end = int(CLIENTS_RANGE.read_text().split()[0])
    with _locked_counter() as counter:
        last = int(os.pread(counter, 16, 0) or 0)
        for step in range(1, end - FIRST):
            port = FIRST + (last + step) % (end - FIRST)
            if _free(port):
                os.pwrite(counter, b"%16d" % (port - FIRST), 0)
                return port
    raise AssertionError(f"no port from {FIRST} to {end - 1} is free")


@contextmanager
def _locked_counter() -> Iterator[int]:
    """Open the file with the last one given, shared by all that test on this machine as this user."""
    path = Path(tempfile.gettempdir()) / f"chainwright-tests-{os.getuid()}.port"
    counter = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(counter, fcntl.LOCK_EX)
        yield counter
    finally:
        os.close(counter)


def _free(port: int) -> bool:
    for family, anywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 - to see whether it is free
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(family, kind) as probe:
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                try:
                    probe.bind((anywhere, port))
                except OSError:
                    return False
    return True
