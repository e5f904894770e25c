"""Files of one lineage in the directory of another client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Lineage:
    """What another client renews as one."""

    name: str
    """As the client calls it."""
    certificates: Path
    """The leaf and its intermediates, PEM."""
    key: Path


Reader = Callable[[Path], Iterator[Lineage]]
"""Yields the lineages in a client's directory, by name. It names files, and opens none."""


@dataclass(frozen=True, slots=True)
class Client:
    """Another ACME client."""

    name: str
    usual: str
    """Its directory, as its packages have it."""
    holds: str
    """Where in it the lineages are."""
    lineages: Reader
