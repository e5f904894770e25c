"""The present instant as the agent has told it last: each of its answers says by which one it was made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from plugins.webui.errors import AgentSilent

DATE = "date"
"""Header of an answer (RFC 9110 section 6.6.1), from the instant that the agent decides by."""


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class AgentClock:
    """The clock of all that is shown. The machine's own may be wrong, and isn't asked once the agent has answered."""

    def __init__(self, since_boot: Callable[[], float] = _since_boot, wall: Callable[[], float] = time.time) -> None:
        """`since_boot`: seconds since boot, with suspends. `wall`: what the machine's clock shows."""
        self._since_boot = since_boot
        self._wall = wall
        self._ahead: float | None = None
        """Seconds that the agent's instant is ahead of the time since boot; None: it has told none."""

    def __call__(self) -> datetime:
        """Return the present instant, UTC."""
        seconds = self._wall() if self._ahead is None else self._since_boot() + self._ahead
        return datetime.fromtimestamp(seconds, UTC)

    def hear(self, headers: Mapping[str, str]) -> None:
        """Go by the instant of an answer from now on. Raises `AgentSilent` for an answer with a date that is none."""
        if DATE not in headers:
            return
        try:
            told = parsedate_to_datetime(headers[DATE])
        except ValueError:
            raise AgentSilent("the date of its answer is none") from None
        self._ahead = told.timestamp() - self._since_boot()

    def memory(self) -> Sequence[float]:
        """Return what the process has to remember of it, for itself when it executes itself again."""
        return () if self._ahead is None else (self._ahead,)

    def restore(self, memory: Sequence[float]) -> None:
        """Go by what was remembered, within the same boot."""
        self._ahead = memory[0] if memory else None
