"""The system's clock."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the present instant, aware of UTC."""
    return datetime.now(UTC)
