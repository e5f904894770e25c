"""Secrets that are shown once and kept as a digest only: session, token and device texts."""

from __future__ import annotations

import hashlib
import secrets

BYTES = 32
TOKEN_PREFIX = "cwt_"  # noqa: S105 - a mark, so that a leaked token is recognized as one
SESSION_PREFIX = "cws_"
DEVICE_PREFIX = "cwd_"


def make(prefix: str) -> str:
    """Return a new secret of 256 bits."""
    return prefix + secrets.token_urlsafe(BYTES)


def digest(text: str) -> str:
    """Return what is kept of a secret. No salt: 256 random bits can't be guessed."""
    return hashlib.sha256(text.encode()).hexdigest()
