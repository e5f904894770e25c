"""Names of people and tokens."""

from __future__ import annotations

import re

from agent.errors.auth import TokenRefused, UserRefused

_NAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")
_RULE = "it must be 1 to 32 lower-case letters, digits, dots, hyphens or underscores, and begin with a letter"
_FIX = "Choose another name."


def check_user(name: str) -> None:
    """Raise `UserRefused` for a name that nobody can have."""
    if not _NAME.fullmatch(name):
        raise UserRefused(name, _RULE, _FIX)


def check_token(name: str) -> None:
    """Raise `TokenRefused` for a name that no token can have."""
    if not _NAME.fullmatch(name):
        raise TokenRefused(name, _RULE, _FIX)
