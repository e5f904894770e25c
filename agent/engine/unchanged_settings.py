"""Settings and plugins that are loaded once, and used for as long as nothing that they were read from has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable

from agent.config.loading import load
from agent.config.settings import Settings
from agent.registry.plugins import Registry
from agent.sources import BUILT_IN
from agent.system.fingerprint import digest_of, facts, states
from agent.system.layout import Layout

Loaded = tuple[Settings, Registry]
Loader = Callable[[Layout], Loaded]


def load_settings(layout: Layout) -> Loaded:
    """Load settings and plugins as they are on disk now. Raises `SettingsRefused`."""
    return load(layout, BUILT_IN)


class UnchangedSettings:
    """Loader for a process that needs them more than once, in several threads.

    What is compared is what a run with nothing to do compares: settings, drop-in plugins, installed packages, and secrets
    in files of their own.
    """

    def __init__(self, load: Loader = load_settings) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None
        self._seen = ""

    def __call__(self, layout: Layout) -> Loaded:
        """Load them, or return those that were loaded last. Raises `SettingsRefused`, which is not remembered."""
        with self._lock:
            found = _facts(layout)  # before anything is read, so that no change meanwhile is missed
            if self._loaded is None or not found or self._seen != _fingerprint(found, self._loaded):
                self._loaded = None
                self._loaded = self._load(layout)
                self._seen = _fingerprint(found, self._loaded)
            return self._loaded


def _fingerprint(found: str, loaded: Loaded) -> str:
    return digest_of("\n".join([found, *states(str(path) for path in loaded[0].secret_files)]))


def _facts(layout: Layout) -> str:
    """Return what is compared; empty where it can't be read, and then they are loaded each time."""
    try:
        return "\n".join(facts(str(layout.root)))
    except OSError:
        return ""
