"""Marks of who is told of what at this moment: if the process dies of it, the next one knows."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path


class DeliveryMarks:
    """A small file that is written before each call. It is not flushed: a power cut is no plugin's fault."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def read(self) -> dict[str, int]:
        """Return whom an earlier process was telling of which event when it died."""
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            found = json.loads(os.pread(self._descriptor, 1 << 20, 0) or b"{}")
            return {str(name): int(event) for name, event in found.items()}
        return {}

    def write(self, told: Mapping[str, int]) -> None:
        """Note whom this process tells of which event."""
        text = json.dumps(dict(told)).encode() if told else b""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)

    def close(self) -> None:
        """Close the file; what is noted stays."""
        os.close(self._descriptor)
