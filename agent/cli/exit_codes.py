"""Exit codes of every command."""

from __future__ import annotations

from agent.errors import AgentError
from agent.errors.operations import NothingToReissue
from agent.errors.settings import SettingsError
from agent.errors.store import DatabaseBusy, LockHeld
from agent.errors.usage import UsageError

DONE, FAILED, USAGE, DEGRADED, BUSY, DUE = 0, 1, 2, 3, 5, 10
INTERRUPTED = 130
"""As shells have it: 128 and the signal's number."""


def exit_code(error: AgentError) -> int:
    """Return the exit code of a process that fails with `error`."""
    if isinstance(error, LockHeld | DatabaseBusy):
        return BUSY
    return USAGE if isinstance(error, UsageError | SettingsError | NothingToReissue) else FAILED
