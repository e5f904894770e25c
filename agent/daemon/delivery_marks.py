"""Marks of who is told of what at this moment: if the process dies of it, the next one knows."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from threading import Lock


class DeliveryMarks:
    """A small file, written before each call by any thread. It is not flushed: a power cut is no plugin's fault."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._lock = Lock()
        self._told: dict[str, int] = {}

    def left(self) -> dict[str, int]:
        """Return whom an earlier process was telling of which event when it died."""
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            found = json.loads(os.pread(self._descriptor, 1 << 20, 0) or b"{}")
            return {str(name): int(event) for name, event in found.items()}
        return {}

    def begin(self, listener: str, event: int) -> None:
        """Note that a listener is told of an event now."""
        with self._lock:
            self._told[listener] = event
            self._write()

    def end(self, listener: str) -> None:
        """Note that it is told no longer."""
        with self._lock:
            self._told.pop(listener, None)
            self._write()

    def forget(self) -> None:
        """Note that nobody is told of anything."""
        with self._lock:
            self._told.clear()
            self._write()

    def close(self) -> None:
        """Close the file; what is noted stays."""
        os.close(self._descriptor)

    def _write(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(self._told).encode(), 0)
