"""Doing the same for many things at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

THREADS = 8
"""Of one order. How many requests are under way in all is the business of `agent.sources.acme.pace`."""


def at_once(do: Callable[[T], R], things: Sequence[T]) -> list[R]:
    """Return what `do` returns for each of `things`, in their order. What has not begun when one raises is left out."""
    if len(things) < 2:
        return [do(each) for each in things]
    with ThreadPoolExecutor(min(THREADS, len(things)), "acme") as pool:
        return list(pool.map(do, things))
