"""`ChallengeWindow`: the time in which a CA has to reach this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from agent.system.command import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeWindow:
    """What a firewall is to let in as long as a CA looks at challenges. It is opened, and closed again."""

    id: str
    """The same when it is opened and closed, and no other window's: lower-case letters and digits."""
    action: Literal["open", "close"]
    ports: tuple[int, ...]
    """TCP ports of this machine."""
    families: tuple[str, ...]
    """Of ``ipv4`` and ``ipv6``, those over which the CA may come."""
    names: tuple[str, ...]
    """What is proved."""


class Windows(Protocol):
    """What opens the way to this machine as long as a CA looks: a command of the source, and those of plugins.

    What closes a window is kept on disk before it is opened. The core closes it where the source doesn't: after a crash, and
    again and again where that fails.
    """

    def open(
        self,
        window: ChallengeWindow,
        own: Callable[[ChallengeWindow], Command | None],
        retry_at: datetime | None = None,
    ) -> bool:
        """Have a window opened; return whether anything does that, so that it is to be closed.

        `own`: returns the source's command that opens or closes, where it has one. Raises `agent.errors.SourceError`, whose
        `retry_at` is the one that is given.
        """

    def close(self, window_id: str) -> str:
        """Have a window closed; return why that failed, as a clause: the core tries it again."""
