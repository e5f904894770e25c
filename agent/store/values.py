"""Values that the database keeps as JSON, with their kinds checked: a damaged text may be JSON, too."""

from __future__ import annotations

import json
from typing import Any


def words(text: str) -> tuple[str, ...]:
    """Return a list of texts. Raises ValueError, TypeError."""
    found = json.loads(text)
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError("it is no list of texts")
    return tuple(found)


def mapping(text: str) -> dict[str, Any]:
    """Return an object. Raises ValueError, TypeError."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    return found


def texts(text: str) -> dict[str, str]:
    """Return an object whose values are texts. Raises ValueError, TypeError."""
    found = mapping(text)
    if not all(isinstance(each, str) for each in found.values()):
        raise ValueError("it is no object of texts")
    return found
