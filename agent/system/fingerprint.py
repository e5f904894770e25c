"""Fingerprint of files and of the host: text that changes whenever they do.

Only what Python has loaded anyway, and sockets: a run with nothing to do reads this.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

from agent.system.addresses import packed_addresses
from agent.system.paths import ETC, MASTER_KEY

DEPTH = 8
"""Directories within each other that are looked into."""


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text in hex."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def facts(root: str) -> Iterator[str]:
    """Yield a line for everything that a pass reads, whatever the settings say. Raises OSError."""
    yield f"host {os.uname().nodename} {' '.join(sorted(each.hex() for each in packed_addresses()))}"
    with open("/proc/sys/kernel/random/boot_id") as file:  # noqa: PTH123
        yield file.read()
    package = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - as above
    yield from _state(package, 0)
    installed = {os.path.dirname(package), *(path for path in sys.path if path.endswith("-packages"))}  # noqa: PTH120
    for path in sorted(installed):
        yield from _state(path, 0)  # a distribution that comes, goes or is updated changes its directory
    yield from _state(os.path.join(root, ETC), DEPTH)  # noqa: PTH118
    yield from _state(os.path.join(root, MASTER_KEY), 0)  # noqa: PTH118 - without it nothing can be renewed


def states(paths: Iterable[str]) -> Iterator[str]:
    """Yield a line for each file, and for each that is in a directory."""
    for path in paths:
        yield from _state(path, DEPTH)


def _state(path: str, depth: int) -> Iterator[str]:
    """Yield a line for a file, or for a directory and what is in it. Nobody can set the change time."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError as error:
        yield f"{path} {error.errno}"
        return
    directory = status.st_mode & 0o170000 == 0o040000
    # What is in a directory is told one by one; its own time also changes with what Python compiles.
    size, changed = (0, 0 if depth else status.st_ctime_ns) if directory else (status.st_size, status.st_ctime_ns)
    yield f"{path} {status.st_mode} {status.st_uid} {status.st_ino} {size} {changed}"
    if directory and depth:
        yield from _inside(path, depth)


def _inside(path: str, depth: int) -> Iterator[str]:
    try:
        names = sorted(os.listdir(path))  # noqa: PTH208
    except OSError as error:
        yield f"{path}/ {error.errno}"
        return
    for name in names:
        if name != "__pycache__":
            yield from _state(f"{path}/{name}", depth - 1)
