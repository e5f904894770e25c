"""Sessions with charon over vici, its control socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TIMEOUT = 20.0
"""Seconds without a word from charon."""


@contextmanager
def session(path: Path, timeout: float = TIMEOUT) -> Iterator[Any]:
    """Yield a `vici.Session`; `timeout` in seconds. Raises `OSError` where no process listens, or charon is silent."""
    from vici import Session  # type: ignore[import-untyped]

    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(timeout)
        stream.connect(str(path))
        yield Session(stream)


def plain(value: Any) -> Any:
    """Return an answer of charon's with texts in place of bytes."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {plain(key): plain(each) for key, each in value.items()}
    return value
