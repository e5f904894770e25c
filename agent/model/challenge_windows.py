"""What opens the way to this machine as long as a CA looks at challenges, as the store keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agent.model.pause import Pause
from agent.system.command import Command

REMEMBERED = "challenge windows"
"""Key in the memory of a source, in which releases before kept ``{"open": [...]}``."""
SETTING = "challenge_window"
"""Who has opened a window: the command in the settings; otherwise a plugin."""
PATIENCE = 20.0
"""Seconds for one command."""
LONGEST_CLOSING = timedelta(days=1)
"""Between two tries to close a window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWindow:
    """Row of the store, written before the window is opened and dropped once it was closed."""

    id: str
    by: str
    """`SETTING`, or a plugin."""
    source: str
    request: str
    """Id of the request whose order needs it; empty: of no order."""
    ports: tuple[int, ...]
    names: tuple[str, ...]
    argv: tuple[str, ...]
    """What closes it."""
    process: str
    """Name of the one that has opened it, or that closes it."""
    at: datetime
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of what closes it, beside the agent's own. Sealed: it may hold a plugin's password."""
    seconds: float = PATIENCE
    attempts: int = 0
    """Failures in a row to close it."""
    tried_at: datetime | None = None
    retry_at: datetime | None = None
    failed: str = ""
    """Why it could not be closed, a clause."""

    @property
    def order(self) -> tuple[str, str]:
        """Key of the order that needs it."""
        return self.request, self.source

    @property
    def pause(self) -> Pause:
        """When it was tried last to close it, and when that is tried again."""
        return Pause(self.tried_at, self.retry_at, LONGEST_CLOSING)

    @property
    def closing(self) -> Command:
        """What closes it."""
        return Command(self.argv, environment=self.environment, timeout=self.seconds)
