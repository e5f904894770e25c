"""Lengths of time, instants, names and counts in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from agent.errors.problem import Problem
from agent.system.spans import when

OLD_EVIDENCE = timedelta(minutes=2)
"""What was seen within the last two minutes is simply so."""
PLACE = re.compile(r"\((?:.*, )?(/[^()]*:\d+)\)$")
"""File and line of a plugin, where a problem names them."""


def seen(moment: datetime | None, now: datetime) -> str:
    """Return how old evidence is, empty where it's not worth a word: ``seen 12 minutes ago``, ``never seen``."""
    if moment is None:
        return "never seen"
    return f"seen {when(moment, now)}" if now - moment >= OLD_EVIDENCE else ""


def shortened(names: Sequence[str], shown: int = 1) -> str:
    """Return the first names, those of hosts before addresses, and how many more there are."""
    from agent.system.names import is_address

    more = len(names) - shown
    first = sorted(names, key=is_address)[:shown]
    return ", ".join(first) + (f" +{more}" if more > 0 else "")


def counted(count: int, word: str, plural: str = "") -> str:
    """Return ``1 chain``, ``2 chains``."""
    return f"{count} {word if count == 1 else plural or word + 's'}"


def place_in(problem: Problem) -> str:
    """Return file and line of the plugin that a problem is about, as the beginning of a line; empty: it names none."""
    found = PLACE.search(problem.where)
    return f"{found[1]}: " if found else ""
