"""Settings in force: those on disk or, where these can't be used, the last ones that could."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.config.files import SettingsFile
from agent.config.loading import load
from agent.config.settings import Settings
from agent.engine.unchanged_settings import Loaded, Loader, UnchangedSettings
from agent.errors import AgentError
from agent.errors.settings import SettingsRefused
from agent.registry.hooks import text_of
from agent.sources import BUILT_IN
from agent.store import Store
from agent.system.layout import Layout

PLACE = ("", "settings")
"""Where the last good files are kept: sealed, as they hold secrets."""


class KeptSettings:
    """Loader for what must go on: settings as they are on disk or, while those can't be used, the last ones that could.

    These are kept in the store, so that a daemon, or a boot, that begins with bad settings has them as well.
    """

    def __init__(self) -> None:
        self._load = UnchangedSettings()
        self._last: Loaded | None = None
        self.refusal: SettingsRefused | None = None
        """Why those on disk can't be used."""

    @property
    def api_users(self) -> list[str]:
        """Return the users whose processes may use the local API."""
        if self._last is None:
            return []
        settings, registry = self._last
        users = [text_of(registry.guard, module, "api_user", "") for module in settings.modules.values()]
        return list(dict.fromkeys(user for user in users if user))

    def __call__(self, layout: Layout) -> Loaded:
        """Load. Raises `SettingsRefused` while there are none to fall back on."""
        self.refusal = None
        try:
            self._last = self._load(layout)
        except SettingsRefused as error:
            self.refusal = error
            self._last = self._last or _last_good(layout)
            if self._last is None:
                raise
        return self._last


def refusal_of(loader: Loader) -> SettingsRefused | None:
    """Return why a loader gave other settings than those on disk."""
    return loader.refusal if isinstance(loader, KeptSettings) else None


def keep(store: Store, settings: Settings) -> None:
    """Keep settings that could be used, for the time in which those on disk can't."""
    state = {"files": [[str(each.path), each.text, each.private] for each in settings.files]}
    if store.memories.read(*PLACE) != state:
        with store.write():
            store.memories.write(*PLACE, state)


def _last_good(layout: Layout) -> Loaded | None:
    with contextlib.suppress(AgentError, sqlite3.Error), Store.open_read_only(layout) as store:
        state = store.memories.read(*PLACE)
        return load(layout, BUILT_IN, _files(state)) if state else None
    return None


def _files(state: Mapping[str, Any]) -> list[SettingsFile]:
    return [SettingsFile(Path(path), text, private) for path, text, private in state["files"]]
