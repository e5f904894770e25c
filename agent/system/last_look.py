"""What a run that had nothing to do has looked at, and when: it writes nothing into the database, which would forget its trust.

Imports nothing that takes time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from agent.system.paths import RUN

MOST_BYTES = 1 << 16
FAR = float(1 << 36)
"""Seconds after the epoch that no clock shows: more than `datetime` can hold comes soon after."""


def note_look(root: str, now: float, endpoints: Iterable[tuple[str, str]]) -> None:
    """Note that each `(address, server name)` was looked at `now`, in seconds since the epoch. What can't be noted is left."""
    text = "\n".join([repr(now), *(f"{address} {name}" for address, name in endpoints)])
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(_path(root), flags, 0o644)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
    except OSError:
        return


def read_look(root: str) -> tuple[float, frozenset[tuple[str, str]]]:
    """Return when that was, and each `(address, server name)`; zero and none where there is none that can be read."""
    try:
        descriptor = os.open(_path(root), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            at, *lines = os.read(descriptor, MOST_BYTES).decode().split("\n")
        finally:
            os.close(descriptor)
        pairs = (line.partition(" ") for line in lines)
        seconds = float(at)
        return seconds if 0 <= seconds < FAR else 0.0, frozenset((address, name) for address, _, name in pairs)
    except (OSError, ValueError):
        return 0.0, frozenset()


def _path(root: str) -> str:
    return os.path.join(root, RUN, "last-look")  # noqa: PTH118 - pathlib takes a third of the time that this may take
