"""Last answers of the agent, for when it is silent: in memory, and no longer than the session."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

Json = Mapping[str, Any]
Seen = tuple[Json, Json, Json]
"""Person, and both pages of the status."""
MOST = 8
"""Sessions; the one that was longest away is forgotten first."""


class SessionCache:
    """Last answers by session."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """`clock`: the agent's, which says when sessions end."""
        self._clock = clock
        self._seen: dict[str, Seen] = {}

    def keep(self, session: str, who: Json, valid: Json, uploaded: Json) -> None:
        """Remember what was shown."""
        self._seen.pop(session, None)
        while len(self._seen) >= MOST:
            self._seen.pop(next(iter(self._seen)))
        self._seen[session] = (who, valid, uploaded)

    def find(self, session: str) -> Seen | None:
        """Return what was shown last, None if nothing was, or the session would have ended by now."""
        seen = self._seen.get(session)
        if seen is None or self._clock() >= datetime.fromisoformat(seen[0]["idle_at"]):
            return None
        return seen

    def seen(self) -> dict[str, Seen]:
        """Return what is kept of sessions that have not ended, by session."""
        return {session: seen for session in self._seen if (seen := self.find(session)) is not None}

    def restore(self, seen: Mapping[str, Sequence[Json]]) -> None:
        """Remember what another process has kept."""
        for session, (who, valid, uploaded) in seen.items():
            self.keep(session, who, valid, uploaded)

    def forget(self, session: str) -> None:
        """Drop what a session has seen."""
        self._seen.pop(session, None)
