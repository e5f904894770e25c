"""Instants as the database keeps them: ISO 8601 with offset, microseconds kept."""

from __future__ import annotations

from datetime import UTC, datetime


def written(moment: datetime | None) -> str | None:
    """Return `moment` (aware) as text."""
    return moment.astimezone(UTC).isoformat() if moment else None


def read(text: str | None) -> datetime | None:
    """Return what `written` made into text."""
    return datetime.fromisoformat(text) if text else None


def read_known(text: str) -> datetime:
    """Return an instant that is always there."""
    return datetime.fromisoformat(text)
