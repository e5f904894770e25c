"""What is remembered of the clock: a small file beside the database. Reading it imports nothing that takes time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator

from agent.system.clock_judgement import Memory, is_sane
from agent.system.paths import PRIVATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAME = "clock"
MOST_BYTES = 8192
Mark = tuple[int, int, int]


class ClockMemory:
    """The file. Any process that may read it can; it is replaced in one step, by one process at a time."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._directory = os.path.join(root, PRIVATE)  # noqa: PTH118 - as in `last_look`
        self.path = os.path.join(self._directory, NAME)  # noqa: PTH118
        self._known: tuple[Mark | None, Memory | None] = (None, None)
        self.is_written = True
        """Whether what is remembered is in the file, as far as it was read."""

    def read(self) -> Memory | None:
        """Return what is remembered; None: nothing, or what can't be read. It is read again when it has changed only."""
        mark, (before, known) = self._mark(), self._known
        if mark == before:
            return known
        found = self._read() if mark else None
        if found is None and not self.is_written:
            found = known
        else:
            self.is_written = True
        self._known = mark, found
        return found

    def keep(self, memory: Memory) -> None:
        """Remember in this process alone what can't be written, until it is or another process has written something."""
        self._known, self.is_written = (self._mark(), memory), False

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from changing it meanwhile. Raises OSError."""
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def write(self, memory: Memory) -> None:
        """Replace it. Raises OSError."""
        from pathlib import Path

        from agent.system.writing import replace

        replace(Path(self.path), json.dumps(_written(memory)).encode(), mode=0o600)

    def _mark(self) -> Mark | None:
        try:
            status = os.lstat(self.path)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _read(self) -> Memory | None:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return _read(json.loads(os.read(descriptor, MOST_BYTES)))
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None
        finally:
            os.close(descriptor)


def _written(memory: Memory) -> dict[str, Any]:
    return {name: getattr(memory, name) for name in Memory.__slots__}


def _read(fields: dict[str, Any]) -> Memory:
    """Raises ValueError, KeyError and TypeError."""
    doubt, anchor = fields["doubt"], fields.get("anchor")
    memory = Memory(
        float(fields["instant"]),
        float(fields["since_boot"]),
        str(fields["boot"]),
        exact=fields["exact"] is True,
        doubt=(str(doubt[0]), float(doubt[1])) if doubt else None,
        offsets=tuple(map(float, fields["offsets"])),
        asks=tuple(map(float, fields["asks"])),
        first=fields.get("first") is True,
        anchor=(float(anchor[0]), float(anchor[1])) if anchor else None,
        believed_since=_number(fields.get("believed_since")),
    )
    instants = [memory.instant, memory.since_boot, *memory.asks, *(doubt[1:] if doubt else ()), *(memory.anchor or ())]
    if not all(is_sane(each) for each in instants):
        raise ValueError("no clock shows that")
    return memory


def _number(value: object) -> float | None:
    """Return seconds since boot; less than 0 where it was accepted soon after."""
    return value if isinstance(value, float) and is_sane(abs(value)) else None
