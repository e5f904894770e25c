"""Environment of the programs that the agent runs. Cheap to import."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TO_US = frozenset(
    (
        "NOTIFY_SOCKET",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
        "LISTEN_PID",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "CREDENTIALS_DIRECTORY",
    )
)
"""Variables by which a daemon that the agent starts would speak for the agent, or look for its master key."""


def environment_with(more: Mapping[str, str]) -> dict[str, str]:
    """Return the agent's environment without what systemd says to the agent alone, and with `more`."""
    return {**{name: value for name, value in os.environ.items() if name not in TO_US}, **more}
