"""Plugins that passes hung or died of: they are left out for a while, so that all else goes on."""

from __future__ import annotations

from collections.abc import Collection

TOLERATED = 1
"""Passes in a row that may be ended because of a plugin, or die of it, before it is left out."""
PAUSES = (600.0, 3600.0, 86400.0)
"""Seconds for which it is left out the first, second, ... time."""


class Avoidance:
    """Plugins by how often they were the cause, and until when each is left out."""

    def __init__(self) -> None:
        self._count: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def failed(self, subject: str, now: float) -> None:
        """Take over what a pass hung or died of: kind and name. `now`: monotonic."""
        kind, _, name = subject.partition(" ")
        if kind != "plugin":
            return
        self._leave_out(name, self._count.get(name, 0) + 1, now)

    def hung(self, names: Collection[str], now: float) -> None:
        """Take over which plugins a pass has given up that got through: the next process is not to wait for them either."""
        for name in names:
            if now >= self._until.get(name, now):
                self._leave_out(name, max(self._count.get(name, 0), TOLERATED) + 1, now)

    def _leave_out(self, name: str, count: int, now: float) -> None:
        self._count[name] = count
        often = count - TOLERATED
        if often > 0:
            self._until[name] = now + PAUSES[min(often, len(PAUSES)) - 1]

    def present(self, now: float) -> list[str]:
        """Return the plugins that a pass is to leave out now."""
        return sorted(name for name, until in self._until.items() if now < until)

    def succeeded(self, left_out: Collection[str]) -> None:
        """Take over that a pass got through: what it did not leave out is well again."""
        self._count = {name: count for name, count in self._count.items() if name in left_out}

    def forget(self) -> None:
        """Try everything again: a file has changed."""
        self._count.clear()
        self._until.clear()
