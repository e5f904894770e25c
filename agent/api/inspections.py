"""Uploads that were inspected for a preview: they are stored as they were judged then, and not parsed and judged again."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from agent.inspection import InputFile

KEPT = 600.0
"""Seconds: so long the web interface keeps what was previewed, too."""
MOST = 8
"""Uploads; the oldest is forgotten first."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept:
    """Result, until an instant (monotonic)."""

    result: Any = field(repr=False)
    """It has the key."""
    until: float


class Inspections:
    """Results of inspections, by what was given: in memory, for minutes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def __bool__(self) -> bool:
        """Return whether one is kept."""
        with self._lock:
            self._drop()
            return bool(self._kept)

    def preview(self, inspect: Callable[..., T], files: Iterable[InputFile], **options: Any) -> T:
        """Return what `inspect` makes of `files` and of its other arguments, and keep it. Raises what it raises."""
        files = tuple(files)
        result = inspect(files, **options)
        with self._lock:
            self._drop()
            while len(self._kept) >= MOST:
                self._kept.pop(next(iter(self._kept)))
            self._kept[_key(inspect, files, options)] = _Kept(result, self._clock() + KEPT)
        return result

    def take(self, inspect: Callable[..., T], files: Iterable[InputFile], **options: Any) -> T:
        """Return what was kept of the same, and forget it; without it, what `inspect` makes of it. Raises what that raises."""
        files = tuple(files)
        with self._lock:
            self._drop()
            kept = self._kept.pop(_key(inspect, files, options), None)
        return inspect(files, **options) if kept is None else kept.result

    def _drop(self) -> None:
        self._kept = {key: each for key, each in self._kept.items() if each.until > self._clock()}


def _key(inspect: Callable[..., object], files: Iterable[InputFile], options: dict[str, Any]) -> str:
    """Return the SHA-256 of everything that the result depends on, but for the instant."""
    digest = hashlib.sha256(inspect.__qualname__.encode())
    for part in (*(part for each in files for part in (each.name.encode(), each.data)), _text(options)):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def _text(options: dict[str, Any]) -> bytes:
    return repr(sorted((name, value) for name, value in options.items() if name != "now")).encode()
