"""Checks that plugins share for their settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def first_repeated(values: Iterable[T]) -> T | None:
    """Return the first of `values` that is in it more than once; None where each is different."""
    return next((value for value, count in Counter(values).items() if count > 1), None)
