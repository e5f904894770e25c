"""Shared objects of sources, one for each and its present settings: a pool of connections, nonces, a listener."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

from agent.registry.guard import PluginFailed
from agent.registry.sources import SourceHandle

T = TypeVar("T")
Key = tuple[str, str]
"""Name of the source, digest of its settings."""


class _Slot:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made = False
        self.value: Any = None
        self.source: SourceHandle | None = None


class SharedObjects:
    """Objects that are made when first asked for, kept across passes, closed when the settings have changed."""

    def __init__(self, failed: Callable[[str, BaseException], object]) -> None:
        """`failed` is told the source of an object that could not be closed, and what it raised."""
        self._lock = threading.Lock()
        self._slots: dict[Key, _Slot] = {}
        self._failed = failed

    def of(self, source: SourceHandle, make: Callable[[], T]) -> T:
        """Return the object of a source, made at the first time. Raises what `make` raises."""
        with self._lock:
            slot = self._slots.setdefault(key_of(source), _Slot())
        with slot.lock:
            if not slot.made:
                slot.value, slot.made, slot.source = make(), True, source
            found: T = slot.value
        return found

    def keep(self, used: Collection[Key]) -> None:
        """Close all others."""
        with self._lock:
            gone = {key: slot for key, slot in self._slots.items() if key not in used}
            for key in gone:
                del self._slots[key]
        for slot in gone.values():
            self._close(slot)

    def close(self) -> None:
        """Close all."""
        self.keep(())

    def _close(self, slot: _Slot) -> None:
        if slot.source is None or getattr(slot.value, "close", None) is None:
            return
        try:
            slot.source.close(slot.value)
        except PluginFailed as failed:
            self._failed(slot.source.name, failed.error)
        except Exception as error:
            self._failed(slot.source.name, error)


def key_of(source: SourceHandle) -> Key:
    """Return the key of a source with its settings."""
    return source.name, source.settings_digest


def keys_of(sources: Iterable[SourceHandle]) -> set[Key]:
    """Return the keys of several."""
    return {key_of(source) for source in sources}
