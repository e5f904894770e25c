"""Modes and owners of the agent's own files: what somebody else has changed is repaired, and said."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.system.layout import Layout

LOCKS = frozenset({"lock", "daemon.lock"})
"""Files in ``private/`` that hold nothing."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file or directory of the agent, as it is to be."""

    path: Path
    mode: int
    user: int = -1
    """Numeric; -1: the caller's."""
    group: int = -1
    secret: bool = False
    """Whether it holds a private key, or the way to one."""
    sealed: bool = False
    """Whether keys in it are sealed, or it is what they are sealed with: either is of no use alone."""


@dataclass(frozen=True, slots=True)
class Repair:
    """Change of a mode or an owner back to what it was."""

    path: Path
    before: str
    """Mode in octal, with numeric owner and group."""
    now: str
    opened: bool
    """Whether others than those meant to could read a secret meanwhile."""
    error: str = ""
    """Why it could not be repaired."""
    sealed: bool = False
    """`Place.sealed`."""


def places_of_state(layout: Layout) -> Iterator[Place]:
    """Yield what lies outside of the generations, directories first: nobody can put a file in place while they are repaired."""
    own = (0, 0) if os.geteuid() == 0 else (-1, -1)
    for path, mode in ((layout.state, 0o711), (layout.modules, 0o711), (layout.services, 0o711)):
        yield Place(path, mode, *own)
    yield Place(layout.private, 0o700, *own, secret=True, sealed=True)
    for path, mode in ((layout.webroot, 0o755), (layout.run, 0o755), (layout.log, 0o750)):
        yield Place(path, mode, *own)
    for path in sorted(layout.private.glob("*")) if layout.private.is_dir() else ():
        if path.is_dir() and not path.is_symlink():  # copies, what is damaged or was replaced
            yield Place(path, 0o700, *own, secret=True, sealed=True)
            for each in sorted(path.glob("*.copy")):
                yield Place(each, 0o600, *own, secret=True, sealed=True)
        else:
            yield Place(path, 0o600, *own, secret=path.name not in LOCKS, sealed=True)
    yield Place(layout.poke, 0o600, *own)


def repaired(places: Iterable[Place], state: Path) -> list[Repair]:
    """Repair modes and owners that differ, and return what was changed. What isn't there is another matter.

    `state`: the directory in which a file may have several names, which are then all of the agent's.
    """
    return [repair for place in places if (repair := _repaired(place, state))]


def _repaired(place: Place, state: Path) -> Repair | None:
    try:
        seen = place.path.lstat()
    except OSError:
        return None
    if stat.S_ISLNK(seen.st_mode) or _is_right(place, seen):
        return None
    error = ""
    try:
        _repair(place, state)
    except OSError as failed:
        error = (failed.strerror or str(failed)).lower()
    opened = place.secret and bool(stat.S_IMODE(seen.st_mode) & ~place.mode & 0o066)
    return Repair(place.path, _shown(seen), _shown(place.path.lstat()), opened, error, place.sealed)


def _is_right(place: Place, seen: os.stat_result) -> bool:
    owners = place.user in {-1, seen.st_uid} and place.group in {-1, seen.st_gid}
    return owners and stat.S_IMODE(seen.st_mode) == place.mode


def _repair(place: Place, state: Path) -> None:
    """Work on what was found there: nothing that takes its place meanwhile is touched, and no link is followed.

    Raises OSError, also for what somebody else has put there as another name of a file that is not the agent's.
    """
    descriptor = os.open(place.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISDIR(status.st_mode) and status.st_nlink != 1 and status.st_nlink != _names(status, state):
            raise OSError(0, "it is another name of a file elsewhere")
        file = f"/proc/self/fd/{descriptor}"  # a descriptor of a path takes neither fchown nor fchmod
        if (place.user, place.group) != (-1, -1):
            os.chown(file, place.user, place.group)
        os.chmod(file, place.mode)  # noqa: PTH101
    finally:
        os.close(descriptor)


def _names(file: os.stat_result, state: Path) -> int:
    """Return how many names a file has in the state: unchanged files of a generation are links to those of the last."""
    paths = (os.path.join(where, name) for where, _, names in os.walk(state) for name in names)  # noqa: PTH118
    return sum(os.path.samestat(os.lstat(path), file) for path in paths)


def _shown(seen: os.stat_result) -> str:
    return f"{stat.S_IMODE(seen.st_mode):04o} {seen.st_uid}:{seen.st_gid}"
