"""Version and date of this release."""

from __future__ import annotations

from datetime import UTC, datetime

RELEASED_AT = datetime(2026, 11, 23, tzinfo=UTC)
"""A clock that shows an earlier instant is wrong: an appliance without a battery boots in 1970."""


def version() -> str:
    """Return the version of the installed distribution."""
    from importlib.metadata import version as installed

    return installed("chainwright")
