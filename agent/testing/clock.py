"""A clock that a test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """The machine's clock, or one that shows `at` now; it goes on by itself, and `advance` moves it."""

    def __init__(self, at: datetime | None = None) -> None:
        self.offset = at - datetime.now(UTC) if at else timedelta()

    def __call__(self) -> datetime:
        """Return the present instant, UTC."""
        return datetime.now(UTC) + self.offset

    def advance(self, **span: float) -> None:
        """Move it ahead, as in ``advance(days=60)``."""
        self.offset += timedelta(**span)
