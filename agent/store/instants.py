"""Instants as the database keeps them: ISO 8601 with offset, microseconds kept."""

from __future__ import annotations

from datetime import UTC, datetime


def written(moment: datetime | None) -> str | None:
    """Return `moment` (aware) as text."""
    return moment.astimezone(UTC).isoformat() if moment else None


def read(text: str | None) -> datetime | None:
    """Return what `written` made into text. Raises ValueError, TypeError."""
    return read_known(text) if text else None


def read_known(text: str) -> datetime:
    """Return an instant that is always there. Raises ValueError, TypeError, OverflowError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    moment.astimezone(UTC)  # raises OverflowError at the ends of time
    return moment
