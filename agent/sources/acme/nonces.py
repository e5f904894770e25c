"""Anti-replay nonces (RFC 8555 section 6.5): each answer brings one, each request uses one up."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

MOST_KEPT = 64
FRESH_FOR = 60.0
"""Seconds. CAs forget nonces; one that is older than this costs less to fetch anew than to have rejected."""


class Nonces:
    """Those that are left, the newest first out. Any thread may use it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._kept: deque[tuple[bytes, float]] = deque(maxlen=MOST_KEPT)
        self._lock = threading.Lock()

    def add(self, nonce: bytes) -> None:
        """Keep one; the oldest makes room."""
        with self._lock:
            self._kept.append((nonce, self._monotonic()))

    def take(self) -> bytes | None:
        """Return the newest; None: there is none that is fresh enough."""
        with self._lock:
            if not self._kept:
                return None
            nonce, at = self._kept.pop()
            if self._monotonic() - at <= FRESH_FOR:
                return nonce
            self._kept.clear()
            return None
