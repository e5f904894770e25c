"""Room that is left on the file systems that the agent and its services write to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from agent.system.paths import LOG, RUN, STATE

WRITTEN = (STATE, RUN, LOG)
"""Directories under ``--root`` that are written to."""
ENOUGH = 50 * 1024 * 1024
"""Bytes: a pass that deploys 1,000 chains writes about 20 MiB, and the database's log as much again."""
PART = 20
"""Of a file system under 1 GiB, a twentieth is enough: the tmpfs of a small appliance has less than `ENOUGH` in all."""
FEWEST_INODES = 1000
"""A generation of one site has about ten files."""


class Shortage:
    """A file system that is nearly full, or mounted read-only."""

    def __init__(
        self,
        mount: str,
        directories: list[str],
        free: int,
        inodes: int | None,
        *,
        severe: bool,
        read_only: bool = False,
    ) -> None:
        self.mount = mount
        self.directories = directories
        """Those of the agent that lie on it."""
        self.free = free
        """Bytes that users other than root can still write."""
        self.inodes = inodes
        """Files that can still be made, where these are what is short."""
        self.severe = severe
        """Whether less than a tenth of what is enough is left."""
        self.read_only = read_only
        """Whether nothing can be written for that."""


def shortages(root: str) -> list[Shortage]:
    """Return the file systems below `root` on which there is little room, each once. It takes some microseconds.

    What can't be asked, and what has no size, such as an overlay of nothing, is left out.
    """
    return [found for paths in _by_file_system(_present(root)) if (found := _shortage(paths))]


def _present(root: str) -> Iterator[str]:
    for each in WRITTEN:
        path = os.path.join(root, each)  # noqa: PTH118 - this is asked before pathlib is loaded
        if os.path.isdir(path):  # noqa: PTH112
            yield path


def _by_file_system(paths: Iterable[str]) -> list[list[str]]:
    found: dict[int, list[str]] = {}
    for path in paths:
        found.setdefault(os.stat(path).st_dev, []).append(path)  # noqa: PTH116
    return list(found.values())


def _shortage(paths: list[str]) -> Shortage | None:
    try:
        seen = os.statvfs(paths[0])
    except OSError:
        return None
    free, size = seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize
    if seen.f_flag & os.ST_RDONLY:
        return Shortage(_mount(paths[0]), paths, free, None, severe=True, read_only=True)
    enough = min(ENOUGH, size // PART)
    wanted = min(FEWEST_INODES, seen.f_files // PART)
    if free < enough:
        return Shortage(_mount(paths[0]), paths, free, None, severe=free < enough // 10)
    if seen.f_favail < wanted:
        return Shortage(_mount(paths[0]), paths, free, seen.f_favail, severe=seen.f_favail < wanted // 10)
    return None


def _mount(path: str) -> str:
    """Return where the file system of `path` is mounted."""
    while not os.path.ismount(path):
        path = os.path.dirname(path)  # noqa: PTH120
    return path
